--- A caller: a dispatcher, and through it hosts and jobs.
--
--     harp.caller()                   $HARP_CALLER, else the local stack if one
--                                     was started, else localhost:3502
--     harp.caller("host[:port]")      also "[v6]:port", "unix:/path"
--     harp.caller{host = …, port = …, tls = true, ca_file = …, pin = …}
--
-- Options, in seconds, 0 for no limit: connect_timeout (10), reply_timeout (60:
-- to what is answered at once), idle_timeout (300: of silence, after which a
-- wait makes sure that the dispatcher is still there), retry_for (30: how long
-- to try again while it cannot be reached; 0 not at all).
--
-- The local stack answers for "localhost" too, unless a port is given.

local core = require "harp.core"
local host = require "harp.host"
local job = require "harp.job"
local link = require "harp.link"
local stream = require "harp.stream"
local value = require "harp.value"

local PORT = 3502

local Caller = { __name = "harp.caller" }
local methods = {}
local private = setmetatable({}, { __mode = "k" })

local OPTIONS = {
  host = true, port = true, tls = true, ca_file = true, pin = true, verify = true, connect_timeout = true,
  reply_timeout = true, idle_timeout = true, retry_for = true,
}

local function find(address)
  local stack = core.local_stack()
  if address == nil then
    address = os.getenv "HARP_CALLER" or stack and stack.caller or "localhost"
  end
  if stack and address == "localhost" then return stack.caller end
  return address
end

local function endpoint(address)
  local options = {}
  if type(address) == "table" then
    value.check_options(address, OPTIONS, "harp.caller")
    for name, v in pairs(address) do options[name] = v end
    address = options.host
    if options.port then
      options.port = math.tointeger(options.port) or error("port must be an integer", 3)
      return core.endpoint(address or "localhost", options)
    end
  elseif address ~= nil and type(address) ~= "string" then
    error("harp.caller takes an address or a table, not a " .. type(address), 3)
  end
  options.port = PORT
  return core.endpoint(find(address), options)
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

-- ---- lists: extensions of our dispatcher (protocol §4) ----

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
  end, function() exchange:close() end)
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
  private[caller] = link.new(endpoint(address), type(address) == "table" and address or {})
  return caller
end
