--- A run as JUnit's XML, which Jenkins, GitLab and others show: a test suite for
-- each wave, a test case for each host.

local host_output = require "harp.batch.host_output"
local markup = require "harp.batch.markup"
local outcomes = require "harp.batch.outcomes"
local replace_file = require "harp.batch.replace_file"

local junit = {}

local MOST_OF_A_HOST, MOST_OF_ALL = 16 * 1024, 16 * 1024 * 1024

-- What a procedure raised is a failure; whatever else is not well, an error.
local ELEMENTS = { ok = false, exception = "failure", not_reached = "skipped", waiting = "skipped" }
local function element_of(host)
  local element = ELEMENTS[host.outcome or host.state]
  if element == nil then return "error" end
  return element
end

local function attribute(name, text) return (' %s="%s"'):format(name, markup.xml(text):gsub("[\n\r\t]", " ")) end

local function seconds(from, to) return ("%.3f"):format(from and to and math.max(to - from, 0) or 0) end

local function timestamp(time) return os.date("!%Y-%m-%dT%H:%M:%S", math.floor(time)) end

-- ---- a host ----

local function title_of(host)
  local state = host.outcome or host.state
  return outcomes.TITLES[state] or state
end

local function add_outcome(out, host, element)
  local message = host.message and tostring(host.message)
  if element == "skipped" then
    out[#out + 1] = "<skipped" .. attribute("message", message or title_of(host)) .. "/>"
    return
  end
  out[#out + 1] = ("<%s%s%s>%s</%s>"):format(element, attribute("message", message or title_of(host)),
    attribute("type", host.type or title_of(host)), markup.xml(message or ""), element)
end

-- What hosts of a group said, and how much there was if that is not all of it.
local function output_of(group, limit)
  if group.text then return group.text, group.all end
  local parts, all = host_output.shorten(group.parts, limit)
  local texts = {}
  for i, part in ipairs(parts) do texts[i] = markup.xml(part[1] .. ":\n" .. part[2]) end
  group.text, group.all = table.concat(texts, "\n"), all
  return group.text, all
end

local function add_output(out, host, group, limit)
  local text, all = output_of(group, limit)
  out[#out + 1] = "<system-out>"
  out[#out + 1] = text
  if all then
    out[#out + 1] = ("[%d of %d bytes; all of it: harp job result %s]"):format(limit, all, markup.xml(host.job or "ID"))
  end
  out[#out + 1] = "</system-out>"
end

local function add_host(out, record, host, group, limit)
  local element = element_of(host)
  out[#out + 1] = ("<testcase%s%s%s>"):format(attribute("name", host.name),
    attribute("classname", record.name or record.run), attribute("time", seconds(host.start, host.stop)))
  if element then add_outcome(out, host, element) end
  if group and group.parts[1] then add_output(out, host, group, limit) end
  out[#out + 1] = "</testcase>"
end

-- ---- waves, and all of it ----

local function count(record, names)
  local counts = { failure = 0, error = 0, skipped = 0, time = 0 }
  for _, name in ipairs(names) do
    local host = record.by_host[name]
    local element = element_of(host)
    if element then counts[element] = counts[element] + 1 end
    if host.start and host.stop then counts.time = counts.time + math.max(host.stop - host.start, 0) end
  end
  return counts
end

local function in_figures(record, names)
  local counts = count(record, names)
  return (' tests="%d" failures="%d" errors="%d" skipped="%d" time="%.3f"'):format(
    #names, counts.failure, counts.error, counts.skipped, counts.time)
end

local function start_of(record, names)
  local first
  for _, name in ipairs(names) do
    local start = record.by_host[name].start
    if start then first = math.min(first or start, start) end
  end
  return first or record.time
end

local function add_wave(out, record, number, group_of, limit)
  local names, title = record.waves[number], record.name or record.run
  if #record.waves > 1 then title = ("%s, wave %d"):format(title, number) end
  out[#out + 1] = ("<testsuite%s%s%s%s>"):format(attribute("name", title), attribute("id", tostring(number - 1)),
    in_figures(record, names), attribute("timestamp", timestamp(start_of(record, names))))
  out[#out + 1] = ('<properties><property name="run"%s/></properties>'):format(attribute("value", record.run))
  for _, name in ipairs(names) do
    local host = record.by_host[name]
    add_host(out, record, host, group_of[host], limit)
  end
  out[#out + 1] = "</testsuite>"
end

--- A run's record (harp.batch.record) as XML. A host whose turn has not come is
-- skipped; one that runs still is an error. Times are in seconds.
function junit.xml(record)
  local groups, group_of = host_output.groups(record), {}
  for _, group in ipairs(groups) do
    for _, host in ipairs(group.hosts) do group_of[host] = group end
  end
  local limit = host_output.limit(groups, MOST_OF_ALL, MOST_OF_A_HOST, true)
  local out = {
    '<?xml version="1.0" encoding="UTF-8"?>',
    ("<testsuites%s%s>"):format(attribute("name", record.name or record.run), in_figures(record, record.hosts)),
  }
  for number in ipairs(record.waves) do add_wave(out, record, number, group_of, limit) end
  out[#out + 1] = "</testsuites>\n"
  return table.concat(out, "\n")
end

--- Writes that to a file, all of it or nothing. Raises a UsageError of type
-- "file" when it cannot.
function junit.write(path, record) replace_file.write(path, junit.xml(record), "the JUnit file") end

return junit
