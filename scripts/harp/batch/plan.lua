--- What a run is going to do: its waves, and a dry run's calls.

local brief = require "harp.batch.brief"
local core = require "harp.core"
local hosts = require "harp.batch.hosts"
local new_record = require "harp.batch.record"
local printable = require "harp.printable"
local redaction = require "harp.redaction"
local show = require "harp.cli.show"
local value = require "harp.value"

local plan = {}

-- ---- shares ----

--- How many hosts a share of `count` is, at least 1: 20, or "5%" of them,
-- rounded up.
local function size_of(share, count)
  if type(share) == "number" then return math.max(share, 1) end
  return math.max(math.ceil(tonumber(share:match "^[%d.]+") * count / 100), 1)
end

--- The sizes of the waves that `serial`, a list of shares, makes of so many
-- hosts: its last item is used again until all are in one. Without any there is
-- one wave.
function plan.waves(serial, count)
  local sizes, left = {}, count
  while left > 0 do
    local share = serial[#sizes + 1] or serial[#serial]
    local size = share and math.min(size_of(share, count), left) or left
    sizes[#sizes + 1], left = size, left - size
  end
  return sizes
end

--- Are so many failures in a wave of `count` hosts more than max_fail allows?
function plan.is_too_many(failures, max_fail, count)
  if type(max_fail) == "number" then return failures > max_fail end
  return failures * 100 > tonumber(max_fail:match "^[%d.]+") * count
end

-- ---- a dry run ----

-- What is raised where a step needs what a call would return.
local NEEDS_RESULT = setmetatable({}, { __tostring = function() return "a dry run has no results" end })

local Job = { __name = "harp.job" }

function Job:__index() return function() error(NEEDS_RESULT, 0) end end

function Job:__tostring() return "a job of a dry run" end

local function shown(procedure, arguments)
  local text = show.json(core.decode(redaction(arguments, {}, nil))):gsub("^%[(.*)%]$", "%1")
  return printable(("%s(%s)"):format(procedure, text))
end

--- Notes a call of a step; returns what stands for its job.
function plan.note_call(list, procedure, arguments)
  list[#list + 1] = shown(procedure, arguments)
  return setmetatable({}, Job)
end

--- Takes what a step raised in a dry run.
function plan.note_end(list, failure)
  if failure == NEEDS_RESULT then
    list[#list + 1] = "and then what follows from the result"
  else
    list[#list + 1] = "and then fails: " .. printable((tostring(failure):gsub("\n.*", "")))
  end
end

-- Hosts by what would be called there, the first one's first.
local function groups_of(calls, names)
  local list, by_text = {}, {}
  for _, name in ipairs(names) do
    local text = table.concat(calls[name], "\n    ")
    if text == "" then text = "no call" end
    if not by_text[text] then
      by_text[text] = { text = text, hosts = {} }
      list[#list + 1] = by_text[text]
    end
    table.insert(by_text[text].hosts, name)
  end
  return list
end

--- The lines of a dry run: `calls` has the list of each host's.
function plan.lines(settings, names, calls)
  local lines, at, sizes = {}, 0, plan.waves(settings.serial, #names)
  lines[1] = ("dry run of %s: %s, %d at once; nothing is called"):format(
    settings.name, brief.count(#names, "host"), settings.concurrency)
  for number, size in ipairs(sizes) do
    local wave = table.move(names, at + 1, at + size, 1, {})
    lines[#lines + 1] = ("wave %d of %d, %s: %s"):format(
      number, #sizes, brief.count(size, "host"), printable(hosts.fold(wave)))
    at = at + size
  end
  for _, group in ipairs(groups_of(calls, names)) do
    lines[#lines + 1] = ("%s: %s\n    %s"):format(
      brief.count(#group.hosts, "host"), printable(hosts.fold(group.hosts)), group.text)
  end
  return lines
end

--- The record of a dry run: nothing was reached.
function plan.record(settings, names)
  local record = new_record()
  record:apply{ event = "run", run = "dry run", name = settings.name, hosts = names, waves = { #names } }
  record:apply{ event = "finish" }
  record.counts.not_reached = 0 -- which is no failure
  return record
end

--- Is a value a job that a step has returned?
function plan.is_job(v) return value.is_a(v, "harp.job") end

return plan
