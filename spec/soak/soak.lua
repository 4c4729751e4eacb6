-- A day's work in miniature: thousands of jobs at once, then very many that
-- are followed, cut and cancelled, and nothing that grows. Run by `make soak`:
--
--     build/harp --local --procedures spec/soak/procedures.lua \
--         spec/soak/soak.lua [FLIGHT [CHURN]]
--
-- FLIGHT jobs wait at the same time (default 10000), CHURN come and go
-- (default 100000). Ends with "N passed, M failed".

local checks = require "spec.soak.checks"
local harp = require "harp"
local lfs = require "lfs"

local FLIGHT = math.tointeger(tonumber(arg[1] or 10000))
local CHURN = math.tointeger(tonumber(arg[2] or 100000))
local AT_ONCE = 40              -- of the churn

local host = harp.caller().localhost
local check, grows = checks.check, checks.grows

-- ---- what a process holds ----

local function resident()       -- KiB
  local file <close> = assert(io.open "/proc/self/status")
  return math.tointeger(file:read "a":match "VmRSS:%s+(%d+)")
end

local function descriptors()
  local count = 0
  for _ in lfs.dir "/proc/self/fd" do count = count + 1 end
  return count
end

local function registry()
  local count = 0
  for _ in pairs(debug.getregistry()) do count = count + 1 end
  return count
end

local function settle()
  collectgarbage()
  collectgarbage()
  harp.sleep(0.2)
  return { resident = resident(), lua = collectgarbage "count", descriptors = descriptors(), registry = registry() }
end

local function numbers(n)
  local list = {}
  for i = 1, n do list[i] = i end
  return list
end

-- ---- thousands at once ----

local function flight()
  host.return_immediate(1):get()
  local before, during, open = settle(), nil, nil
  local waiting, right = 0, 0
  local watch = harp.spawn(function()
    while waiting < FLIGHT do harp.sleep(0.05) end
    collectgarbage()
    during, open = resident(), descriptors()
  end)
  harp.map(numbers(FLIGHT), function(i)
    local job = host.after(1, i)
    waiting = waiting + 1
    if job:get() == i then right = right + 1 end
  end)
  watch:join()
  check(right == FLIGHT, "%d jobs in flight, %d right", FLIGHT, right)
  check(open <= before.descriptors, "%d descriptors, %d before", open, before.descriptors)
  check(true, "%.2f KiB a waiting task", (during - before.resident) / FLIGHT)
end

-- ---- very many, one after the other ----

local ways = {
  function(i)                   -- followed to the end
    local seen = 0
    for n in host.count(3):follow{ since = 0 } do
      seen = seen + 1
      assert(n == seen)
    end
    assert(seen == 3, i)
  end,
  function()                    -- left in the middle, and cancelled
    local job = host.count(1000, 0.01)
    do
      local packets <close> = job:follow{ since = 0 }
      packets()
    end
    job:cancel()
    assert(job:result{ wait = true } == harp.CALL_CANCELLED)
  end,
  function(i)                   -- waited for, in vain
    local job = host.after(100, i)
    local ok, failure = pcall(harp.timeout, 0.002, job.get, job)
    assert(not ok and harp.is_error(failure, "TimeoutError"), tostring(failure))
    job:cancel()
  end,
  function(i) assert(host.return_immediate(i):get()[1] == i) end,
}

local function churn(from, to)
  local list = {}
  for i = from, to do list[#list + 1] = i end
  harp.map(list, function(i) ways[i % #ways + 1](i) end, { concurrency = AT_ONCE })
end

local function many()
  local tenth = CHURN // 10
  churn(1, tenth)
  local before = settle()
  churn(tenth + 1, CHURN)
  local after = settle()
  check(true, "%d jobs followed, cut and cancelled", CHURN)
  grows("resident memory, KiB", before.resident, after.resident, 0.1)
  grows("Lua's memory, KiB", before.lua, after.lua, 0.05)
  grows("descriptors", before.descriptors, after.descriptors, 0)
  grows("registry references", before.registry, after.registry, 0)
end

flight()
many()
checks.finish()
