--- The dispatcher that a command talks to.

local core = require "harp.core"
local harp = require "harp"

local caller = {}

--- Adds --caller to a command.
function caller.option(parser)
  parser:option "--caller":argname "ADDRESS"
    :description("The dispatcher: host, host:port, [v6]:port or unix:/path; default $HARP_CALLER, else "
      .. "a `harp local` that runs, else localhost:3502.")
end

--- The harp.caller of a command's options.
function caller.open(options) return harp.caller(options.caller) end

local NOBODYS = "00000000-0000-0000-0000-000000000000"

--- Asks for a job that nobody has: a dispatcher that cannot be reached is an
-- error at once, and not after half a minute of trying again.
function caller.reach(rpc)
  local _, failure = pcall(function() rpc:job(NOBODYS):status{ retry_for = 0 } end)
  if core.is_error(failure, "RemoteError") and failure.type == "invalid_jobid" then return end
  if core.is_error(failure) then failure.job = nil end
  error(failure, 0)
end

return caller
