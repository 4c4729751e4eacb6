--- A host: a name that a dispatcher knows, and how calls to it are submitted.
--
--     host.procedure(…)  host:procedure(…)    submit a call, return its job
--     host:procedure("any.name")(…)           for names that clash or are not Lua's
--     host{timeout = 5}                       a new host, with these options on top

local callable = require "harp.callable"
local core = require "harp.core"
local job = require "harp.job"
local value = require "harp.value"

local Host = { __name = "harp.host" }

-- What a host is, kept apart from it: every field name is a procedure's.
local private = setmetatable({}, { __mode = "k" })

local OPTIONS = {
  queue = true, concurrency = true, timeout = true, max_exec_time = true, info = true, dedup = true, retry_for = true,
}
local DEDUP_OPTIONS = { key = true, window = true }
local DEDUP_WINDOW = 24 * 3600  -- seconds

local function check(options)
  value.check_options(options, OPTIONS, "a host", 4)
  value.check_retry_for(options, 4)
  if options.queue ~= nil and (type(options.queue) ~= "table" or core.is_array(options.queue)) then
    error("queue must be a table with names as keys, such as {service = \"web\"}", 3)
  end
  if options.concurrency ~= nil and options.queue == nil then
    error("concurrency needs a queue to limit", 3)
  end
  if options.dedup ~= nil then
    if type(options.dedup) ~= "table" or options.dedup.key == nil then
      error("dedup must be a table with a key, such as {key = \"deploy 7\", window = 3600}", 3)
    end
    value.check_options(options.dedup, DEDUP_OPTIONS, "dedup", 4)
  end
end

local function new(link, name, options)
  local host = setmetatable({}, Host)
  private[host] = { link = link, name = name, options = options }
  return host
end

local function fields_of(self, procedure, arguments)
  local options = self.options
  local fields = { host = self.name, procedure = procedure, arguments = arguments }
  for name, v in pairs(options) do fields[name] = v end
  if options.dedup then
    fields.dedup_key, fields.dedup_window = options.dedup.key, options.dedup.window or DEDUP_WINDOW
  end
  return fields
end

local function raise_unknown(failure)
  error(core.error{
    kind = "CommunicationError", type = "unknown_outcome",
    message = ("it is not known whether the call was accepted: %s; "
      .. "a call with a dedup key can be made again safely"):format(failure.message),
  }, 0)
end

-- Raises what a submit has come to, which may have arrived before.
local function fail(failure, may_have_arrived)
  local is_final = core.is_error(failure) and failure.kind ~= "CancelledException"
  if may_have_arrived and is_final then raise_unknown(failure) end
  error(failure, 0)
end

local function be_patient(patience, failure, may_have_arrived)
  local well, last = pcall(patience.fail, patience, failure)
  if not well then fail(last, may_have_arrived) end
end

-- A dispatcher that is being stopped takes no more calls; the next one will.
local function stopping(data)
  return core.error{ kind = "CommunicationError", type = "shutdown", message = data.message }
end

-- A submit that may have arrived is never sent again, unless its dedup key
-- makes that safe. One that cannot have is, where the dispatcher was reached
-- before; elsewhere its address is probably wrong. One that turns connections
-- away was reached.
local function submit(self, procedure, arguments)
  local link, fields = self.link, fields_of(self, procedure, arguments)
  local patience, may_have_arrived
  while true do
    local exchange <close> = link:request("call", fields)
    local kind, data, extra = exchange:take()
    if kind == "job_id" then
      link.reached = true
      return job(link, data, extra)
    elseif kind == "error" and data.type == "shutdown" then
      data, extra, link.reached = stopping(data), nil, true
    elseif kind == "error" then
      fail(value.remote_error("RemoteError", data), may_have_arrived)
    elseif kind then
      raise_unknown{ message = ("the dispatcher answered a call with %q"):format(kind) }
    elseif extra and not fields.dedup then
      raise_unknown(data)
    elseif data.type == "too_many_connections" then
      link.reached = true
    elseif not link.reached and not extra then
      error(data, 0)
    end
    patience = patience or link:patience(fields.retry_for)
    may_have_arrived = may_have_arrived or extra
    be_patient(patience, data, may_have_arrived)
  end
end

callable(Host, function(host, name, arguments) return submit(private[host], name, arguments) end,
  "a host has no field %q to set; use host{option = value}")

function Host:__call(options)
  local state = private[self]
  local merged = {}
  if type(options) ~= "table" then
    error("host{option = value} takes a table of options; to call a procedure: host.NAME(...)", 2)
  end
  for name, v in pairs(state.options) do merged[name] = v end
  for name, v in pairs(options) do merged[name] = v end
  check(merged)
  return new(state.link, state.name, merged)
end

--- The same host without options: for who asks it on its own account.
function Host.bare(host)
  return new(private[host].link, private[host].name, {})
end

function Host:__tostring()
  local state = private[self]
  return ("host %s at %s"):format(state.name, tostring(state.link.endpoint))
end

return function(link, name, options)
  if type(name) ~= "string" or name == "" then error("a host's name is a string", 3) end
  options = options or {}
  check(options)
  return new(link, name, options)
end
