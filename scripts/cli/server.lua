--- Daemons that a command calls directly, without a dispatcher.

local harp = require "harp"
local main = require "harp.cli.main"

local server = {}

--- Adds --direct, and what goes with it, to a command.
function server.options(parser)
  parser:flag "--direct"
    :description "Without a dispatcher: HOST is the daemon's host[:port]. There are no jobs then, and no queues."
  parser:option "--user":argname "NAME":description "Who to be for a daemon; default $HARP_USER."
  parser:option "--password-file":argname "FILE"
    :description "Its first line is the password; default $HARP_PASSWORD."
  parser:option "--pin":argname "PIN":description "The daemon has this key: sha256//…"
  parser:option "--ca-file":argname "FILE":description "The daemon has a certificate of these authorities."
  parser:flag "--insecure":description "Any key will do. Default: the key seen first, as ssh has it."
end

local DIRECT = { "user", "password_file", "pin", "ca_file", "insecure" }

--- Refuses what is of no use without --direct or, `through` names it, with it.
function server.check(options, through)
  for _, name in ipairs(options.direct and { "caller", table.unpack(through) } or DIRECT) do
    if options[name] ~= nil then
      name = name:gsub("_", "-")
      main.usage(("--%s is of no use %s --direct"):format(name, options.direct and "with" or "without"))
    end
  end
end

--- The harp.server of a host, by a command's options.
function server.open(host, options)
  local verify = nil
  if options.insecure then verify = false end
  local well, found = pcall(harp.server, {
    host = host, user = options.user, password_file = options.password_file, pin = options.pin,
    ca_file = options.ca_file, verify = verify,
  })
  if well then return found end
  if type(found) == "string" then main.usage((found:gsub("^harp%.server:? ?", ""))) end
  error(found, 0)
end

return server
