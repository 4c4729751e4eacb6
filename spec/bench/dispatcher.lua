-- What the dispatcher does, against SQLite and loopback themselves.

local harness = require "spec.support.harness"
local harp = require "harp"
local measure = require "spec.bench.measure"

local bare, compare, at_once = measure.bare, measure.compare, measure.at_once

local daemon = harness.daemon{ settings = "max_children = 1000" }
local function start() return harness.dispatcher{ daemon = daemon, settings = "max_running_per_host = 1000" } end
local dispatcher = start()
local rpc = harp.caller(dispatcher.address)
local host = rpc.localhost
local NOWHERE = { host = "nobody knows it", procedure = "p", arguments = harp.array{} }

local function scratch() return harness.directory() .. "/bare.db" end
local function sqlite() return bare("sqlite", 500, scratch()) end
local function connect() return bare("connect", 5000, 80, 170) end
local function pingpong() return bare("pingpong", 20000, 80, 170) end

local function peak(server)     -- MiB
  return tonumber(harness.read("/proc/" .. server.pid .. "/status"):match "VmHWM:%s+(%d+)") / 1024
end

compare("submits, 100 at once, one connection", 10000, function(count)
  at_once(count, function() rpc:host("nobody knows it").p() end)
end, sqlite)
compare("submits, 100 at once, a connection each", 3000, function(count)
  at_once(count, function() rpc:request(NOWHERE) end)
end, sqlite)

local done = host.sum(1, 2)
done:get()
compare("status, one by one, one connection", 5000, function(count)
  for _ = 1, count do done:status() end
end, pingpong)
compare("status, 100 at once, one connection", 20000, function(count)
  at_once(count, function() done:status() end)
end, pingpong)
compare("status, 100 at once, a connection each", 10000, function(count)
  at_once(count, function() rpc:request{ get_status = done:id() } end)
end, connect)

compare("call and result, one by one", 300, function(count)
  for _ = 1, count do host.sum(1, 2):get() end
end, nil, 3)
compare("call and result, 100 at once", 1500, function(count)
  at_once(count, function() host.sum(1, 2):get() end)
end, nil, 3)

local PACKETS = 200000
local burst = host.count(PACKETS)
burst:get()
compare("read_stream, packets", PACKETS, function() assert(#burst:stream():all() == PACKETS) end,
  function() return bare("flood", PACKETS, 29) end)
compare("follow of a burst, packets", PACKETS, function()
  local seen = 0
  for _ in host.count(PACKETS):follow{ since = 0 } do seen = seen + 1 end
  assert(seen == PACKETS)
end, nil, 3)

local right = 0
print(("%-40s %9.1f s, %d right"):format("2000 jobs that sleep for 1 s", measure.seconds(function()
  at_once(2000, function() if host.sleep(1):get() == "slept" then right = right + 1 end end, 2000)
end), right))
print(("%-40s %9.1f MiB"):format("peak memory so far", peak(dispatcher)))

-- ---- crowds ----

local function memory(server)   -- MiB
  return tonumber(harness.read("/proc/" .. server.pid .. "/status"):match "VmRSS:%s+(%d+)") / 1024
end

-- All of them but one do nothing.
local function connections(count)
  local server = start()
  local job = harp.caller(server.address).localhost.sum(1, 2)
  job:get()
  local before = memory(server)
  local pipe = assert(io.popen(("echo $$; exec %s/bare idle %d %d < /dev/zero"):format(measure.build, count - 1,
    server.port)))
  local pid = pipe:read "l"
  assert(pipe:read "l" == "connected")
  harness.eventually(function() return server:descriptors() >= count end)
  local seconds = measure.seconds(function() for _ = 1, 1000 do job:status() end end) / 1000
  print(("%-40s %9.1f KiB each, %.1f us a status"):format(count .. " connections",
    (memory(server) - before) * 1024 / count, seconds * 1e6))
  os.execute("kill " .. pid)
  pipe:close()
  server:stop()
end

local function crowd(followers, packets)
  local stream = host.count(packets)
  stream:get()
  local before, rate = memory(dispatcher), bare("follow", followers, dispatcher.port, stream:id())
  print(("%-40s %9.0f /s in all, %.1f s; %.1f MiB more at most"):format(
    ("%d followers of %d packets"):format(followers, packets), rate, followers * 0.99 * packets / rate,
    math.max(peak(dispatcher) - before, 0)))
end

connections(10000)
crowd(1000, 100000)

-- ---- among a million finished jobs ----

local function status_among(jobs)
  local full = start()
  full:stop()
  bare("jobs", jobs, full.directory .. "/dispatcher.db")
  full:restart()
  local own = harp.caller(full.address)
  local job = own:job(("%08x-0000-4000-8000-000000000000"):format(jobs // 2))
  job:status()
  local seconds = measure.seconds(function() for _ = 1, 5000 do job:status() end end) / 5000
  local most = peak(full)
  full:stop()
  return seconds, most
end

local few = status_among(1000)
local many, most = status_among(1000000)
print(("%-40s %9.1f us, %.2f of that among a thousand; %.1f MiB"):format("status among a million jobs", many * 1e6,
  many / few, most))

harness.clean_up()
