--- A run as a script has it: id, name, hosts (list of names), lists of hosts by
-- their outcome (ok, exception, error, unreachable, timeout, cancelled, unknown,
-- not_reached, and failed: all but ok and not_reached), results (by host:
-- { outcome, value, message, type, job, attempts, start, stop, packets, count }),
-- code (the exit status of the worst), stopped (why, or nil). While it goes on
-- the fields change.

local hosts = require "harp.batch.hosts"

local core = require "harp.core"

local RESULT = { "outcome", "message", "type", "job", "attempts", "start", "stop", "packets", "count" }

-- A value that the journal has not is asked for again, once; nil when the
-- dispatcher has it no more.
local function value_of(view, host)
  if not host.is_long then return host.value end
  if view.values[host.name] == nil then
    local well, v = pcall(function() return view.caller:job(host.job):get() end)
    if not well and not core.is_error(v, "RemoteError") then error(v, 0) end
    view.values[host.name] = well and v or nil
  end
  return view.values[host.name]
end

local function result_of(view, host)
  local result = { value = value_of(view, host) }
  for _, name in ipairs(RESULT) do result[name] = host[name] end
  return result
end

local Run = { __name = "harp.batch.run" }
local private = setmetatable({}, { __mode = "k" })

local getters = {}

function getters.id(view) return view.record.run end
function getters.name(view) return view.record.name end
function getters.hosts(view) return hosts.names(view.record:list "all") end
function getters.code(view) return view.record:status() end
function getters.stopped(view) return view.record.stopped end

-- A script asks for them once for each of its hosts. They are final at the end.
function getters.results(view)
  if view.results then return view.results end
  local all = {}
  for _, name in ipairs(view.record.hosts) do all[name] = result_of(view, view.record.by_host[name]) end
  if view.record.finished then view.results = all end
  return all
end

function Run:__index(key)
  local view = private[self]
  if getters[key] then return getters[key](view) end
  local list = view.record:list(key)
  return list and hosts.names(list)
end

function Run:__tostring() return "run " .. private[self].record.run end

--- The view of a record; `caller` and `values` (by host) are where values come
-- from that are too long for the journal.
return function(record, caller, values)
  local run = setmetatable({}, Run)
  private[run] = { record = record, caller = caller, values = values or {} }
  return run
end
