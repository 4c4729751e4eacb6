--- Runs: calls that go on at the same time, each told of as it goes (see
-- reporter.lua), and what Ctrl-C does to them. One that fails does not stop
-- the others.

local core = require "harp.core"
local harp = require "harp"
local interrupts = require "harp.interrupts"
local outcome = require "harp.outcome"
local output = require "harp.cli.output"
local tasks = require "harp.tasks"

local following = {}

local GRACE = interrupts.GRACE

-- ---- Ctrl-C ----

local DETACHED = [[
detached; %s. To come back:
  harp job follow %s
Ctrl-C again, within %d s, cancels %s.]]

-- Those that go on without us, and a line for those of which nobody knows.
local function left(command, runs)
  local list, ids = {}, {}
  for _, run in ipairs(runs) do
    if not run.status and run.job then
      list[#list + 1] = run
      ids[#ids + 1] = run.job:id()
    elseif not run.status then
      output.note(command, ("%s: it is not known whether the call was accepted; `harp jobs` shows it"):format(run.host))
    end
  end
  return list, table.concat(ids, " ")
end

local function cancel(command, list)
  local cancelled, failure = 0, nil
  harp.map(list, function(run)
    local well, done = pcall(run.job.cancel, run.job)
    if not well then failure = done elseif done then cancelled = cancelled + 1 end
  end)
  if list[2] then output.note(command, ("cancelled %d of %d"):format(cancelled, #list)) end
  if failure then error(failure, 0) end
  if not list[2] then output.note(command, cancelled == 1 and "cancelled" or "it had ended") end
  return outcome.CANCELLED
end

local function detach(command, runs, signals)
  output.end_line()
  local list, ids = left(command, runs)
  if not list[1] then return following.worst(runs) end
  local what, them = "the job goes on", "it"
  if list[2] then what, them = ("%d jobs go on"):format(#list), "them" end
  output.note(command, DETACHED:format(what, ids, GRACE, them))
  if not tasks.await(signals, GRACE) then return outcome.INTERRUPTED end
  output.end_line()
  signals:close()               -- the next one ends us
  return cancel(command, list)
end

-- ---- runs ----

--- The exit status of several: that of the worst.
function following.worst(runs)
  local statuses = {}
  for i, run in ipairs(runs) do statuses[i] = run.status or outcome.UNKNOWN end
  return outcome.worst(statuses)
end

--- What --help says about it.
following.EXIT_STATUS = [[
Exit status, of several the first of these that one has: 8 the outcome is not
known, 6 unreachable, 7 timeout, 4 error, 3 exception of the procedure,
5 cancelled, 0 well. 130: left by Ctrl-C, the jobs go on.]]

--- Notes a failure of a run, and tells of it.
function following.fail(run, failure, reporter)
  run.status = outcome.code(failure)
  if not core.is_error(failure) then failure = core.error{ type = "error", message = outcome.line(failure) } end
  reporter:failure(run, failure)
end

--- Notes what `job:result()` returned, and tells of it.
function following.conclude(run, result, reporter)
  if result == harp.CALL_CANCELLED then
    run.status = outcome.CANCELLED
    reporter:cancelled(run)
  elseif core.is_error(result) then
    following.fail(run, result, reporter)
  else
    run.status = outcome.WELL
    reporter:result(run, result)
  end
end

--- Tells of a run's packets as they come, and of its end. options: since, recent.
function following.follow(run, reporter, options)
  for number, data in run.job:follow{ since = options.since, recent = options.recent, numbered = true } do
    reporter:packet(run, number, data)
  end
  following.conclude(run, run.job:result{ wait = true }, reporter)
end

-- A cancelled task is no failure of its run; an integer is for us to end.
local function is_ours(failure)
  return type(failure) ~= "number" and not (core.is_error(failure, "CancelledException") and failure.type == "task")
end

-- While no call was accepted, that the dispatcher cannot be reached is no
-- matter of one host: one line says so.
local function is_everybodys(runs, failure)
  if not core.is_error(failure, "CommunicationError") or failure.type == "unknown_outcome" then return false end
  for _, run in ipairs(runs) do
    if run.job or run.status then return false end
  end
  return true
end

--- Does `work(run)` for all of them at once; returns true when all have come
-- to an end. `direct`: each has a server of its own.
function following.each(runs, work, reporter, direct)
  harp.map(runs, function(run)
    local well, failure = pcall(work, run)
    if well then return end
    if not is_ours(failure) or not direct and is_everybodys(runs, failure) then error(failure, 0) end
    following.fail(run, failure, reporter)
  end)
  return true
end

--- The same, and Ctrl-C detaches from their jobs, then cancels them; returns the
-- exit status.
function following.run(command, runs, work, reporter)
  local ended = interrupts.attend(function() following.each(runs, work, reporter) end, function(signals)
    return detach(command, runs, signals)
  end)
  return ended == true and following.worst(runs) or ended
end

return following
