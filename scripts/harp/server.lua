--- A server: a daemon that is called directly, without a dispatcher.
--
--     local server = harp.server{host = "web01", user = "me", password = …}
--     server.current_time()                  the value; errors are raised
--     for msg in server.logs(10) do … end    the packets, then a harp.Result
--
-- Options: user (default $HARP_USER), password (default $HARP_PASSWORD) or
-- password_file, and those of harp.endpoint: host (default localhost), port
-- (default 4306), and how the daemon is trusted. It always speaks TLS; `tls` is
-- true or "legacy". What they do not say is looked for in the environment, and
-- then in the user's configuration (harp.settings). In seconds, 0 for no
-- limit: reply_timeout (60: until the call is accepted) and idle_timeout (0: of
-- silence after that). The stack of --local answers for "localhost" unless a
-- port is given, whatever the other options say; a `harp local` that runs does,
-- where nobody says who to be.

local callable = require "harp.callable"
local core = require "harp.core"
local endpoint = require "harp.endpoint"
local login = require "harp.login"
local settings = require "harp.settings"
local stream = require "harp.stream"
local value = require "harp.value"

local PORT = 4306

local Server = { __name = "harp.server" }
local private = setmetatable({}, { __mode = "k" })

local OWN = { user = true, password = true, password_file = true, reply_timeout = true, idle_timeout = true }

-- A `harp local` that is "localhost", where nobody says who to be: its user
-- and its password nobody knows but we.
local function find_standing(options)
  if options.user or options.password or options.password_file or os.getenv "HARP_USER"
    or os.getenv "HARP_PASSWORD" then return nil end
  return core.standing_stack()
end

-- Who to be: as told, else from the environment, else of the stack.
local function credentials(options, stack)
  local user = options.user or os.getenv "HARP_USER" or stack and stack.user
  local password, complaint = login.password(options)
  if complaint then error("harp.server: " .. complaint, 4) end
  password = password or os.getenv "HARP_PASSWORD" or stack and stack.password
  if not user or not password then
    error("harp.server: no user or password; give user and password (or password_file), "
      .. "or set HARP_USER and HARP_PASSWORD", 4)
  end
  return user, password
end

-- All options, with TLS as it must be.
local function check(options)
  local all = { tls = true }
  for name, v in pairs(options) do all[name] = v end
  local complaint = endpoint.complaint(all, OWN)
  if not all.tls then complaint = ": a daemon speaks nothing but TLS" end
  if complaint then error("harp.server" .. complaint, 4) end
  return all
end

local function open(given)
  local is_local = (given.host or "localhost") == "localhost" and not given.port
  local stack = is_local and core.local_stack() or nil
  local options = check(stack and given or settings.server(given))
  local address = options.host or "localhost"
  if is_local and not stack then stack = find_standing(options) end
  local user, password = credentials(options, stack)
  local way = options
  if stack then address, way = stack.server, { tls = true, pin = stack.pin } end
  return {
    user = user,
    password = password,
    reply_timeout = options.reply_timeout or 60,
    idle_timeout = options.idle_timeout,
    endpoint = endpoint.new(address, way, PORT),
  }
end

local KINDS = { exception = "RemoteException", error = "RemoteError" }

-- One answer; what is neither packet nor result is raised.
local function take(exchange)
  local kind, data = exchange:take()
  if kind == nil then error(data, 0) end
  if KINDS[kind] then error(value.remote_error(KINDS[kind], data), 0) end
  return kind, data
end

local function results(exchange)
  local last = false
  local iterator = stream(function()
    if last then return nil end
    local kind, data = take(exchange)
    if kind == "packet" then return data end
    last = true
    return value.Result(data)
  end, function() exchange:close() end, 1, "the answers of a daemon")
  return iterator, nil, nil, iterator
end

-- Closes an exchange, unless it was handed on, when its block is left.
local Guard = { __close = function(guard) if guard.exchange then guard.exchange:close() end end }

local function call(state, procedure, arguments)
  local exchange = core.call(state.endpoint, {
    procedure = procedure, arguments = arguments, user = state.user, password = state.password,
    reply_timeout = state.reply_timeout, idle_timeout = state.idle_timeout,
  })
  local guard <close> = setmetatable({ exchange = exchange }, Guard)
  local _, streams = take(exchange)
  if streams then
    guard.exchange = nil
    return results(exchange)
  end
  local _, data = take(exchange)
  return data
end

callable(Server, function(server, name, arguments) return call(private[server], name, arguments) end,
  "a server has no field %q to set")

function Server:__tostring()
  local state = private[self]
  return ("server %s as %s"):format(tostring(state.endpoint), state.user)
end

return function(options)
  if type(options) == "string" then options = { host = options } end
  if options ~= nil and type(options) ~= "table" then
    error("harp.server takes a table of options, not a " .. type(options), 2)
  end
  local server = setmetatable({}, Server)
  private[server] = open(options or {})
  return server
end
