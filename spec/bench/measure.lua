-- What the figures are made with: medians of rounds, and ratios to the bare
-- program, measured in turn with it.

local harness = require "spec.support.harness"
local harp = require "harp"

local measure = {}

measure.build = assert(os.getenv "HARP_BUILD", "HARP_BUILD is not set; run the figures by make bench")

local ROUNDS = 5

measure.median, measure.seconds = harness.median, harness.seconds

--- How many a second the bare program does.
function measure.bare(...)
  local pipe = assert(io.popen(measure.build .. "/bare " .. table.concat({ ... }, " ")))
  local rate = pipe:read "n"
  return pipe:close() and rate or error "the bare program failed"
end

--- `fn(i)` for 1 to count, `width` (100) of them at once.
function measure.at_once(count, fn, width)
  local list = {}
  for i = 1, count do list[i] = i end
  harp.map(list, function(i) fn(i) end, { concurrency = width or 100 })
end

--- `work(count)` beside what `yardstick()` says is possible, a second; prints
-- the medians of the rates, of this process's CPU for each, and of the ratios.
function measure.compare(name, count, work, yardstick, rounds)
  local rates, costs, ratios = {}, {}, {}
  for i = 1, rounds or ROUNDS do
    local limit, cpu = yardstick and yardstick(), os.clock()
    rates[i] = count / measure.seconds(work, count)
    costs[i] = (os.clock() - cpu) / count * 1e6
    ratios[i] = limit and rates[i] / limit
  end
  print(("%-40s %9.0f /s   %6.1f us CPU%s"):format(name, measure.median(rates), measure.median(costs),
    ratios[1] and ("   %5.2f of bare"):format(measure.median(ratios)) or ""))
end

return measure
