-- The second half of the synopsis: straight to a daemon, over TLS.
--
--     harp --local scripts/recipes/daemon.lua
--
-- Elsewhere: set HARP_USER and HARP_PASSWORD, and give the daemon's name. Its
-- key is remembered at the first contact; ca_file or pin know it before that.

local harp = require "harp"

local server = harp.server{ host = "localhost" }

print("time there:", harp.encode(server.current_time()))
print("2 and 3:", harp.encode(server.sum_and_difference(harp.named{ a = 2, b = 3 })))

-- A stream: packets as they come, and last of all the result. A minute of
-- these logs takes half a second, so that nobody has to wait.
for msg in server.logs_in_next_minutes(4, 0.5) do
  if harp.is_result(msg) then
    print("result:", harp.encode(msg.value))
  else
    print("log message:", harp.encode(msg))
  end
end
