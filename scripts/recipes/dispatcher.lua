-- The first half of the synopsis: calls through a dispatcher.
--
--     harp --local scripts/recipes/dispatcher.lua
--     HARP_CALLER=dispatcher.example.net harp scripts/recipes/dispatcher.lua

local harp = require "harp"

local rpc = harp.caller()

-- A host with a queue and limits for its jobs; `rpc.localhost` alone would do.
local host = rpc.localhost{ queue = { foo = "bar" }, concurrency = 2, max_exec_time = 15 }

-- A call that never ends by itself: follow it for a while, then cancel it.
local job = host.stream_infinity(0.2)
print("job " .. job:id())
for number, msg in job:follow{ since = 0, numbered = true } do
  print("packet " .. number, harp.encode(msg))
  if number == 4 then break end
end
print("cancelled:", job:cancel())
print("result:", job:result{ wait = true })

-- What was streamed stays, and can be read again by anyone who has the id.
local again = rpc:job(job:id())
print("recorded packets:", #again:stream():all())

-- A call and its value in one line; errors are raised.
local result = rpc("localhost").return_immediate("bar", "baz"):get()
print("returned:", harp.encode(result))

-- An outcome as a value, whatever it is.
local failing = rpc.localhost.fail("out of paper")
local r = failing:result{ wait = true }
if r == harp.CALL_NOT_FINISHED then
  print "still running"
elseif r == harp.CALL_CANCELLED then
  print "cancelled"
elseif harp.is_error(r) then
  print("failed:", r.kind, r.type, r.message)
else
  print("result:", harp.encode(r))
end
