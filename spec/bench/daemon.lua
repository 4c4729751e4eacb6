-- What the daemon does when it is called directly: its calls beside a fork and
-- a TLS handshake alone, with the same client; packets of a burst; and memory.

local harness = require "spec.support.harness"
local harp = require "harp"
local measure = require "spec.bench.measure"

local compare, at_once = measure.compare, measure.at_once

local daemon = harness.daemon{ procedures = [[
  procedure("sum", function(a, b) return a + b end)
  procedure("sleep", function(seconds) require "harp".sleep(seconds) end)
  stream("count", function(n) for i = 1, n do coroutine.yield(i) end end)
]] }
local bare = harness.serve("handshake", ("%s/handshake %s %s"):format(measure.build, daemon.certificate, daemon.key))

local function client(server)
  return harp.server{ host = "127.0.0.1", port = server.port, user = "tester", password = "secret",
    pin = daemon.pin }
end

local server, yardstick = client(daemon), client(bare)

-- ---- memory ----

-- What the kernel says of a process, in KiB: its pages, these with shared ones
-- in parts (a page of n processes counts one nth), and those of no other.
local function memory(pid)
  local text = harness.read("/proc/" .. pid .. "/smaps_rollup")
  local function field(name) return tonumber(text:match(name .. ":%s+(%d+)")) end
  return { rss = field "\nRss", pss = field "\nPss", own = field "Private_Clean" + field "Private_Dirty" }
end

local function show_memory(name, pid)
  local now = memory(pid)
  print(("%-40s %9.1f MiB PSS, %.1f RSS, %.1f its own"):format(name, now.pss / 1024, now.rss / 1024, now.own / 1024))
end

show_memory("an idle daemon", daemon.pid)
server.sum(1, 2)
harness.eventually(function() return daemon:children() == 0 end)
show_memory("the same after a call", daemon.pid)

local sleeper = harp.spawn(function() server.sleep(60) end)
local child
while not child do
  harp.sleep(0.2)
  child = harness.shell("pgrep -P " .. daemon.pid):match "%d+"
end
harp.sleep(0.2)
show_memory("a child in a call", child)
sleeper:cancel()

-- ---- calls ----

local function one_by_one(of)
  return function(count)
    for _ = 1, count do of.sum(1, 2) end
  end
end

local function many(of)
  return function(count) at_once(count, function() of.sum(1, 2) end, 50) end
end

local function rate(work, count)
  return function() return count / measure.seconds(work, count) end
end

compare("calls, one by one", 300, one_by_one(server), rate(one_by_one(yardstick), 300), 9)
compare("calls, 50 at once", 500, many(server), rate(many(yardstick), 500), 9)

-- ---- packets ----

local PACKETS = 300000
compare("packets of a burst", PACKETS, function()
  local seen = 0
  for v in server.count(PACKETS) do
    if v == seen + 1 then seen = v end
  end
  assert(seen == PACKETS)
end)

harness.clean_up()
