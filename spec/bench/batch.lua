-- What a batch costs: beside the same calls by the bare client; and many hosts,
-- beside what they would take if nothing but their calls took time. Run by
-- `make bench`.

local harp = require "harp"
local batch = require "harp.batch"
local measure = require "spec.bench.measure"

local median, seconds = measure.median, measure.seconds

local TRIVIAL, AT_ONCE = 1000, 100
local MANY, MANY_AT_ONCE = 5000, 500

local rpc = harp.caller()

local function names(count)
  local list = {}
  for i = 1, count do list[i] = ("web%04d"):format(i) end
  return list
end

local function run(hosts, at_once, step, show)
  local ended = batch.run{
    name = "bench", resume = false, caller = rpc, hosts = hosts, concurrency = at_once, step = step,
    show = show or "none",
  }
  assert(ended.code == 0 and #ended.ok == #hosts)
end

local function trivial(host) return host.return_immediate(1) end

-- Calls of a host that anybody would write.
local function bare(hosts)
  harp.map(hosts, function(name) return trivial(rpc:host(name)):get() end, { concurrency = AT_ONCE })
end

local function compare()
  local hosts, ratios, times = names(TRIVIAL), {}, {}
  bare(hosts)
  for i = 1, 9 do
    local reference = seconds(bare, hosts)
    times[i] = seconds(run, hosts, AT_ONCE, trivial)
    ratios[i] = times[i] / reference
  end
  print(("%-32s %9.0f hosts/s %16.2f times the time of the bare client"):format(
    ("batch of %d, %d at once"):format(TRIVIAL, AT_ONCE), TRIVIAL / median(times), median(ratios)))
end

-- The most memory that this process had, MiB.
local function peak()
  local file <close> = io.open "/proc/self/status"
  return tonumber(file:read "a":match "VmHWM:%s*(%d+)") / 1024
end

-- `show`: nobody looks ("none"), or somebody at a terminal ("auto").
local function many(show)
  local before, cpu, ideal = peak(), os.clock(), MANY / MANY_AT_ONCE
  local time = seconds(run, names(MANY), MANY_AT_ONCE, function(host) return host.count(1, 1) end, show)
  cpu = os.clock() - cpu
  print(("%-32s %9.1f s %22.2f times the ideal; %.2f s CPU, %.0f MiB more at most"):format(
    ("%d hosts of 1 s, %d at once"):format(MANY, MANY_AT_ONCE), time, time / ideal, cpu, peak() - before))
end

if arg[1] then many(arg[1]) else compare() end
