-- What the soak calls.

local harp = require "harp"

procedure("after", function(seconds, value)
  harp.sleep(seconds)
  return value
end)

procedure("return_immediate", function(...) return harp.array{ ... } end)

stream("count", function(n, seconds)
  for i = 1, n do
    coroutine.yield(i)
    if seconds then harp.sleep(seconds) end
  end
end)
