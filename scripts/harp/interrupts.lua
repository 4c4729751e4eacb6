--- What Ctrl-C does to work that can be left.

local core = require "harp.core"

local interrupts = {}

interrupts.GRACE = 2            -- seconds in which a second Ctrl-C cancels

--- Runs `work` until it ends, when true is returned, or until Ctrl-C: then
-- `prepare()`, if there is one, is called, the work's task is cancelled, and
-- `interrupted(signals)` is returned. Who is cancelled here cancels the work.
function interrupts.attend(work, interrupted, prepare)
  local signals <close> = core.interrupts()
  local heard = false
  local worker = core.spawn(work)
  local guard = core.spawn(function()
    signals:wait()
    heard = true
    if prepare then prepare() end
    worker:cancel()
  end)
  local well, failure = pcall(worker.join, worker)
  guard:cancel()
  worker:cancel()
  if heard then return interrupted(signals) end
  if not well then error(failure, 0) end
  return true
end

return interrupts
