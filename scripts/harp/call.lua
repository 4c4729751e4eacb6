--- The call that this process serves: there is one at most.

local call = {}

local current

--- Who asks for what, when a call has begun: {user, address, procedure}.
function call.begin(info) current = info end

--- harp.call_info() → {user=, address=, procedure=}: who called, from where
-- (as the log has it: "192.0.2.7:51234"), and by what name. nil outside of a call, and
-- so while a file of procedures is loaded.
function call.info()
  if not current then return nil end
  return { user = current.user, address = current.address, procedure = current.procedure }
end

return call
