--- Words that only servers know, or journals, for completion: quickly or not at
-- all. Of what fails nothing is said.

local harp = require "harp"
local introspection = require "harp.introspection"
local show = require "harp.cli.show"

local known = {}

local PATIENCE = 1              -- seconds, for all of it
local JOBS = 200                -- as many of the newest
local REMEMBERED = 10           -- seconds that the answer of a host is used again

-- What fn(caller) returns, a list; an empty one when it does not work out.
local function ask(address, fn)
  local well, list = pcall(function()
    local caller = harp.caller(address)
    return harp.timeout(PATIENCE, fn, caller)
  end)
  return well and list or {}
end

--- Hosts, as { name, address }.
function known.hosts(address)
  return ask(address, function(caller)
    local list = {}
    for host in caller:hosts() do list[#list + 1] = { host.name, host.address } end
    table.sort(list, function(a, b) return a[1] < b[1] end)
    return list
  end)
end

--- Jobs, the newest first, as { id, what it is }; not those that ask a host for
-- its procedures, as is done here.
function known.jobs(address)
  return ask(address, function(caller)
    local list = {}
    for job in caller:jobs{ limit = JOBS } do
      if job.procedure ~= introspection.PROCEDURE then
        list[#list + 1] = { job.id, ("%s on %s, %s"):format(job.procedure, job.host, job.state) }
      end
    end
    return list
  end)
end

--- A host's procedures, as it tells of them (protocol §4). One who presses Tab
-- again gets the answer of before: it is a job, and has a key.
function known.procedures(address, name)
  return ask(address, function(caller)
    local host = caller:host(name, {
      dedup = { key = { complete = name }, window = REMEMBERED }, timeout = PATIENCE, max_exec_time = PATIENCE,
    })
    return host:procedure(introspection.PROCEDURE)():get()
  end)
end

--- Runs of batches, the newest first, as { id, what it is }.
function known.runs()
  local well, events = pcall(function() return require "harp.batch.journal".beginnings() end)
  local list = {}
  for i = well and #events or 0, 1, -1 do
    local event = events[i]
    if type(event.hosts) == "table" and math.tointeger(event.time // 1) then
      local what = ("%d %s, %s ago"):format(#event.hosts, event.hosts[2] and "hosts" or "host", show.age(event.time))
      list[#list + 1] = { event.run, what }
    end
  end
  return list
end

return known
