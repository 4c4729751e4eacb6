--- The dispatcher that a command talks to.

local core = require "harp.core"
local harp = require "harp"

local caller = {}

--- Adds --debug to a command; it is for daemons, too.
function caller.debug(parser)
  parser:flag "--debug":action(core.trace)
    :description "Show what is sent (→) and comes (←) on standard error, secrets as ***; so does HARP_DEBUG=1."
end

--- Adds --caller and --debug.
function caller.option(parser)
  parser:option "--caller":argname "ADDRESS"
    :description("The dispatcher: host, host:port, [v6]:port, unix:/path, or a name of the configuration. "
      .. "Default: `harp config` tells.")
  caller.debug(parser)
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
