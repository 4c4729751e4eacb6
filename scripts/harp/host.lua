--- A host: a name that a dispatcher knows, and how calls to it are submitted.
--
--     host.procedure(…)  host:procedure(…)    submit a call, return its job
--     host:procedure("any.name")(…)           for names that clash or are not Lua's
--     host{timeout = 5}                       a new host, with these options on top

local core = require "harp.core"
local job = require "harp.job"
local value = require "harp.value"

local Host = { __name = "harp.host" }

-- What a host is, kept apart from it: every field name is a procedure's.
local private = setmetatable({}, { __mode = "k" })

local OPTIONS = { queue = true, concurrency = true, timeout = true, max_exec_time = true, info = true }

local function check(options)
  value.check_options(options, OPTIONS, "a host")
  if options.queue ~= nil and (type(options.queue) ~= "table" or core.is_array(options.queue)) then
    error("queue must be a table with names as keys, such as {service = \"web\"}", 3)
  end
  if options.concurrency ~= nil and options.queue == nil then
    error("concurrency needs a queue to limit", 3)
  end
end

local function new(endpoint, name, options)
  local host = setmetatable({}, Host)
  private[host] = { endpoint = endpoint, name = name, options = options }
  return host
end

local function submit(self, procedure, arguments)
  local fields = { host = self.name, procedure = procedure, arguments = arguments }
  for name, v in pairs(self.options) do fields[name] = v end
  local exchange <close> = core.request(self.endpoint, fields, "call")
  local kind, data = exchange:take()
  if kind == "job_id" then return job(self.endpoint, data) end
  if kind == nil then error(data, 0) end
  if kind == "error" then error(value.remote_error("RemoteError", data), 0) end
  error(core.error{
    kind = "CommunicationError", type = "bad_protocol",
    message = ("the dispatcher answered a call with %q"):format(kind),
  }, 0)
end

-- A function that submits, called as host.NAME(…) or as host:NAME(…).
local function submitter(host, name)
  return function(...)
    if rawequal((...), host) then
      return submit(private[host], name, value.arguments(select(2, ...)))
    end
    return submit(private[host], name, value.arguments(...))
  end
end

local function by_name(host, name)
  if type(name) ~= "string" then error("a procedure's name is a string", 2) end
  return submitter(host, name)
end

function Host:__index(name)
  if name == "procedure" then return by_name end
  return by_name(self, name)
end

function Host:__newindex(name)
  error(("a host has no field %q to set; use host{option = value}"):format(tostring(name)), 2)
end

function Host:__call(options)
  local state = private[self]
  local merged = {}
  if type(options) ~= "table" then
    error("host{option = value} takes a table of options; to call a procedure: host.NAME(...)", 2)
  end
  for name, v in pairs(state.options) do merged[name] = v end
  for name, v in pairs(options) do merged[name] = v end
  check(merged)
  return new(state.endpoint, state.name, merged)
end

function Host:__tostring()
  local state = private[self]
  return ("host %s at %s"):format(state.name, tostring(state.endpoint))
end

return function(endpoint, name, options)
  if type(name) ~= "string" or name == "" then error("a host's name is a string", 3) end
  options = options or {}
  check(options)
  return new(endpoint, name, options)
end
