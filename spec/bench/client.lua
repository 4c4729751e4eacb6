-- What harp costs: each figure beside that of a bare C program which moves the
-- same bytes, both measured in turn, five times. Run by `make bench`.

local harp = require "harp"
local measure = require "spec.bench.measure"

local bare, compare, median = measure.bare, measure.compare, measure.median

local function start_up()
  local times, ratios = {}, {}
  for i = 1, 50 do
    local lua = measure.seconds(os.execute, "lua5.4 -e ''")
    times[i] = measure.seconds(os.execute, measure.build .. "/harp -e ''")
    ratios[i] = times[i] / lua
  end
  print(("%-32s %9.1f ms   %19.2f of lua5.4"):format("start of harp -e ''", median(times) * 1e3, median(ratios)))
end

local at_once = measure.at_once

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
