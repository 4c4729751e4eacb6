-- A daemon called very many times, several at once: nothing of a call may stay,
-- neither a process nor a descriptor nor memory of the parent. Then besieged by
-- a crowd that never finishes. Run by `make soak`:
--
--     HARP_BUILD=build build/harp spec/soak/daemon.lua
--
-- SOAK_CALLS calls (default 100000) by callers who get their answer, and some
-- who hang up before. Ends with "N passed, M failed".

local harness = require "spec.support.harness"
local checks = require "spec.soak.checks"
local harp = require "harp"
local siege = require "spec.support.siege"

local CALLS = math.tointeger(tonumber(os.getenv "SOAK_CALLS" or 100000))
local AT_ONCE = 20
local CROWD = 1000

local check, grows = checks.check, checks.grows

local daemon = harness.daemon()
local server = harp.server{ host = "127.0.0.1", port = daemon.port, user = "tester", password = "secret",
  pin = daemon.pin }

local function memory()         -- KiB, of the parent, but for its files
  return tonumber(harness.read("/proc/" .. daemon.pid .. "/status"):match "RssAnon:%s+(%d+)")
end

local ways = {
  function(i) assert(server.sum(i, 1) == i + 1) end,
  function()                    -- a stream, to its end
    local seen = 0
    for _ in server.count(3) do seen = seen + 1 end
    assert(seen == 4)           -- the result is the last
  end,
  function()                    -- hung up on
    local packets <close> = server.count(1000, 0.01)
    packets()
  end,
  function(i)                   -- fails
    local ok, failure = pcall(server.boom, "call " .. i)
    assert(not ok and harp.is_error(failure, "RemoteException"), tostring(failure))
  end,
}

-- One in eight hangs up; most are plain calls.
local function way(i)
  if i % 8 < 5 then return ways[1] end
  return ways[i % 8 - 3]
end

local function call(from, to)
  local list = {}
  for i = from, to do list[#list + 1] = i end
  harp.map(list, function(i) way(i)(i) end, { concurrency = AT_ONCE })
end

-- What the daemon holds when all of its calls have ended.
local function settle()
  harness.eventually(function() return daemon:children() == 0 end)
  return { memory = memory(), descriptors = daemon:descriptors() }
end

local function many()
  call(1, CALLS // 10)
  local before = settle()
  call(CALLS // 10 + 1, CALLS)
  local ended = pcall(settle)
  check(ended, "%d calls, %d processes left", CALLS, daemon:children())
  grows("the parent's memory, KiB", before.memory, memory(), 0.02)
  grows("the parent's descriptors", before.descriptors, daemon:descriptors(), 0)
end

local function besieged()
  local descriptors, least = daemon:descriptors(), math.huge
  for _ = 1, 3 do               -- others may be busy on this machine
    local during, without = siege.cost(daemon, CROWD, 101)
    least = math.min(least, during / without)
  end
  check(least < 2, "%d callers who never finish: a call takes %.2f times as long", CROWD, least)
  harness.eventually(function() return daemon:descriptors() <= descriptors end)
end

many()
besieged()
check(daemon:stop() == 0, "the daemon stops well")
harness.clean_up()
checks.finish()
