-- What harp costs: each figure beside that of a bare C program which moves the
-- same bytes, both measured in turn, five times. Run by `make bench`.

local harp = require "harp"
local socket = require "socket"

local build = arg[1] or error "usage: harp --local spec/bench/bench.lua BUILD"
local ROUNDS = 5

local function bare(...)
  local pipe = assert(io.popen(build .. "/bare " .. table.concat({ ... }, " ")))
  local rate = pipe:read "n"
  return pipe:close() and rate or error "the bare program failed"
end

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

-- How many a second, and the microseconds of this process's CPU for each.
local function rate(count, work)
  local cpu, start = os.clock(), socket.gettime()
  work(count)
  return count / (socket.gettime() - start), (os.clock() - cpu) / count * 1e6
end

local function compare(name, count, work, yardstick)
  local rates, costs, ratios = {}, {}, {}
  for i = 1, ROUNDS do
    local limit = yardstick()
    rates[i], costs[i] = rate(count, work)
    ratios[i] = rates[i] / limit
  end
  print(("%-32s %9.0f /s   %6.1f us CPU   %5.2f of bare"):format(
    name, median(rates), median(costs), median(ratios)))
end

local function seconds(command)
  local start = socket.gettime()
  os.execute(command)
  return socket.gettime() - start
end

local function start_up()
  local times, ratios = {}, {}
  for i = 1, 50 do
    local lua = seconds "lua5.4 -e ''"
    times[i] = seconds(build .. "/harp -e ''")
    ratios[i] = times[i] / lua
  end
  print(("%-32s %9.1f ms   %19.2f of lua5.4"):format("start of harp -e ''", median(times) * 1e3, median(ratios)))
end

local function at_once(count, fn)
  local list = {}
  for i = 1, count do list[i] = i end
  harp.map(list, fn, { concurrency = 100 })
end

local rpc = harp.caller()
local host = rpc.localhost
local job = host.return_immediate(1)
job:get()

local function pingpong() return bare("pingpong", 20000, 80, 170) end
local function sync() return bare("sync", 300, os.tmpname()) end

compare("job:status(), one by one", 5000, function(count)
  for _ = 1, count do job:status() end
end, pingpong)

compare("job:status(), 100 at once", 20000, function(count)
  at_once(count, function() job:status() end)
end, pingpong)

compare("submit, one by one", 300, function(count)
  for _ = 1, count do rpc:host("nowhere").f() end
end, sync)

compare("submit, 100 at once", 5000, function(count)
  at_once(count, function() rpc:host("nowhere").f() end)
end, sync)

compare("call and result, one by one", 100, function(count)
  for _ = 1, count do host.return_immediate(1):get() end
end, pingpong)

local PACKETS = 200000
local stream = host.count(PACKETS)
stream:get()
compare("recorded packets into a loop", PACKETS, function(count)
  local seen = 0
  for _ in stream:follow{ since = 0 } do seen = seen + 1 end
  assert(seen == count)
end, function() return bare("flood", PACKETS, 29) end)

start_up()
