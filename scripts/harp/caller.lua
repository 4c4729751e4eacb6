--- A caller: a dispatcher, and through it hosts and jobs.
--
--     harp.caller()                   $HARP_CALLER, else the stack of --local,
--                                     else that of the user's configuration,
--                                     else a `harp local` that runs, else
--                                     localhost:3502
--     harp.caller("host[:port]")      also "[v6]:port", "unix:/path", or a name
--                                     of the configuration (harp.settings)
--     harp.caller{host = …, port = …, tls = true, …}
--
-- The options are those of harp.endpoint; plain unless `tls` is true or
-- "legacy". Besides, in seconds, 0 for no limit: reply_timeout (60: to what is
-- answered at once), idle_timeout (300: of silence, after which a wait makes
-- sure that the dispatcher is still there), retry_for (30: how long to try
-- again while it cannot be reached; 0 not at all).
--
-- A dispatcher of ours may want to know who asks: user, and password or
-- password_file (its first line); with tls the defaults are $HARP_CALLER_USER
-- and $HARP_CALLER_PASSWORD, of which the latter goes with a user of the
-- options, too. They are sent to no dispatcher otherwise: stock ones hang up on
-- what they do not know. Without tls they can be read on their way.
--
-- The stack of --local answers for "localhost" too, unless a port is given, and
-- is what it is whatever the other options say. A `harp local` answers only
-- where nothing is said: no address, no tls, no user.

local core = require "harp.core"
local endpoint = require "harp.endpoint"
local host = require "harp.host"
local job = require "harp.job"
local link = require "harp.link"
local login = require "harp.login"
local settings = require "harp.settings"
local stream = require "harp.stream"
local value = require "harp.value"

local PORT = 3502

local Caller = { __name = "harp.caller" }
local methods = {}
local private = setmetatable({}, { __mode = "k" })

local OWN_OPTIONS = { reply_timeout = true, idle_timeout = true, retry_for = true }
for name in pairs(login.OPTIONS) do OWN_OPTIONS[name] = true end

-- The dispatcher of a `harp local`, for who does not ask for another one.
local function find_standing(options)
  if options.tls or options.user then return nil end
  local stack = core.standing_stack()
  return stack and stack.caller
end

-- The options with a host: as they say, or what is meant when they do not.
local function with_host(options)
  if options.port or options.host then return settings.named_caller(options) end
  local stack, address = core.local_stack(), settings.caller_of_environment()
  local defaults = address and { host = address } or not stack and settings.default_caller()
  if not defaults then return options end
  local all = {}
  for name, v in pairs(defaults) do all[name] = v end
  for name, v in pairs(options) do all[name] = v end
  return settings.named_caller(all)
end

-- Where it is, and whether that is the stack of --local.
local function find(options)
  if options.port then return options.host or "localhost" end
  local stack = core.local_stack()
  local address = options.host or stack and stack.caller or find_standing(options) or "localhost"
  if stack and (address == "localhost" or address == stack.caller) then return stack.caller, true end
  return address
end

-- Whom it asks as: nothing when nobody is to know.
local function credentials(options)
  local user = options.user or options.tls and os.getenv "HARP_CALLER_USER" or nil
  if user == nil then
    if options.password == nil and options.password_file == nil then return end
    error("harp.caller: a password is of no use without user", 4)
  end
  local password, complaint = login.password(options)
  password = password or not complaint and os.getenv "HARP_CALLER_PASSWORD" or nil
  if not complaint and password == nil then
    complaint = "no password; give password or password_file, or set HARP_CALLER_PASSWORD"
  end
  complaint = complaint or login.complaint(user, password)
  if complaint then error("harp.caller: " .. complaint, 4) end
  return user, password
end

local function open(options)
  if options == nil or type(options) == "string" then options = { host = options } end
  if type(options) ~= "table" then
    error("harp.caller takes an address or a table, not a " .. type(options), 3)
  end
  options = with_host(options)
  local complaint = endpoint.complaint(options, OWN_OPTIONS)
  if complaint then error("harp.caller" .. complaint, 3) end
  local address, is_local = find(options)
  if is_local then return link.new(endpoint.new(address, {}, PORT), options) end
  return link.new(endpoint.new(address, options, PORT), options, credentials(options))
end

--- A host of that name, with options: queue, concurrency, timeout,
-- max_exec_time, info.
function methods.host(caller, name, options)
  return host(private[caller], name, options)
end

--- The job with that id.
function methods.job(caller, id)
  if type(id) ~= "string" then error("a job's id is a string", 2) end
  return job(private[caller], id)
end

local NOBODYS = "00000000-0000-0000-0000-000000000000"

--- Does the dispatcher know our extensions (protocol §4)? It is asked where
-- that is not known yet; one that cannot be reached is a CommunicationError at once.
function methods.is_extended(caller)
  local at = private[caller]
  if at.caller:is_extended() == nil then
    local well, failure = pcall(at.ask, at, "get_status", { job_id = NOBODYS }, 0)
    if core.is_error(failure) then failure.job = nil end
    if not well then error(failure, 0) end
  end
  return at.caller:is_extended() or false
end

-- ---- lists: extensions of our dispatcher (protocol §4) ----

local LISTS = { list_jobs = "jobs", list_queues = "queues", list_hosts = "hosts" }

-- The items of a list, each a table.
local function list(caller, operation, fields)
  local at = private[caller]
  local exchange = at:request(operation, fields)
  local iterator = stream(function()
    local kind, data = exchange:take()
    if kind == "end" then return nil end
    if kind == "error" then error(value.remote_error("RemoteError", data), 0) end
    if kind == nil then error(data, 0) end
    at.reached = true
    return value.without_nulls(data)
  end, function() exchange:close() end, 1, LISTS[operation])
  return iterator, nil, nil, iterator
end

local FILTERS = {
  host = true, procedure = true, queue = true, state = true, info = true, since = true, ["until"] = true,
  limit = true,
}

--- An iterator over jobs, the newest first: {id, host, procedure, arguments,
-- queue, info, state, outcome, time = {submit, start, ["end"]}}. filter: host,
-- procedure, queue (a table, as it was named), state ("queued", "running",
-- "ended"), info (a text in it), since and until (of the submission, unix
-- seconds), limit. A stock dispatcher is a UsageError ("unsupported").
function methods.jobs(caller, filter)
  filter = filter or {}
  value.check_options(filter, FILTERS, "rpc:jobs")
  return list(caller, "list_jobs", filter)
end

--- An iterator over the queues: {name, concurrency, running, waiting}.
function methods.queues(caller) return list(caller, "list_queues", {}) end

--- An iterator over the hosts: {name, address}.
function methods.hosts(caller) return list(caller, "list_hosts", {}) end

--- Sends one request as it is, with "harpcaller" added, and returns the reply;
-- for the stream operations a list of all the replies.
function methods.request(caller, request)
  if type(request) ~= "table" then error("a request is a table", 2) end
  local line = { harpcaller = 1 }
  for name, v in pairs(request) do line[name] = v end
  local exchange <close> = core.request(private[caller].caller, core.encode(line) .. "\n")
  local replies = core.array{}
  while true do
    local reply, failure = exchange:take()
    if reply == nil and (#replies == 0 or failure.type ~= "closed") then error(failure, 0) end
    if reply == nil then return replies end
    if not (request.follow_stream or request.read_stream) then return reply end
    replies[#replies + 1] = reply
  end
end

--- What is no host's name.
Caller.methods = methods

function Caller:__index(name)
  return methods[name] or methods.host(self, name)
end

function Caller:__newindex(name)
  error(("a caller has no field %q to set"):format(tostring(name)), 2)
end

function Caller:__call(name, options)
  return methods.host(self, name, options)
end

function Caller:__tostring()
  return "caller at " .. tostring(private[self].endpoint)
end

return function(address)
  local caller = setmetatable({}, Caller)
  private[caller] = open(address)
  return caller
end
