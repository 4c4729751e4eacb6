--- What became of a run, in lines for people: the outcomes, what was slow,
-- who said the same, what failed, and what to do next. The same record makes
-- the same lines.

local brief = require "harp.batch.brief"
local core = require "harp.core"
local new_sink = require "harp.batch.sink"
local outcomes = require "harp.batch.outcomes"
local show = require "harp.cli.show"
local width = require "harp.cli.width"

local summary = {}

local SLOWEST = 3
local LEAST_SLOW = 1            -- seconds; what took less is not slow
local MOST_GROUPS = 5           -- of hosts with the same output
local MOST_FAILURES = 10        -- groups of hosts with the same failure
local MOST_LINES = 8            -- of an output
local ROWS_OF_NAMES = 2

local COLOURS = { ok = "32", not_reached = "33", cancelled = "33" }

local function colour_of(name) return COLOURS[name] or "31" end

-- ---- names ----

-- A list of hosts as people write it, cut where it is long.
local function folded(names, columns)
  return width.cut(show.one_line(require "harp.batch.hosts".fold(names)), ROWS_OF_NAMES * columns)
end

-- ---- the first lines ----

local function counts_text(record, paint)
  local parts, counts = {}, record.counts
  for _, name in ipairs(outcomes.NAMES) do
    local count = counts[name] or 0
    if count > 0 then parts[#parts + 1] = paint(colour_of(name), ("%d %s"):format(count, outcomes.TITLES[name])) end
  end
  if counts.running > 0 then parts[#parts + 1] = paint("36", ("%d running"):format(counts.running)) end
  if counts.waiting > 0 then parts[#parts + 1] = paint("33", ("%d not begun"):format(counts.waiting)) end
  if not parts[1] then parts[1] = "none" end
  return table.concat(parts, ", ")
end

local function waves_text(record)
  local count = #record.waves
  if count < 2 then return "" end
  if record.wave >= count then return (", %d waves"):format(count) end
  return (", %d of %d waves"):format(record.wave, count)
end

local function add_title(lines, record, paint)
  local took = (record.finished or record.latest or record.time) - record.time
  lines[1] = ("%s: %s of %s in %s%s"):format(
    paint("1", record.run), counts_text(record, paint), brief.count(record.total or #record.hosts, "host"),
    brief.time(took), waves_text(record))
  if record.stopped then lines[2] = paint("33", "stopped: ") .. show.one_line(record.stopped) end
end

-- ---- the slowest ----

-- The hosts that have ended and how long they took, the slowest first.
local function durations(record)
  local list = {}
  for i, name in ipairs(record.hosts) do
    local host = record.by_host[name]
    if host.start and host.stop then list[#list + 1] = { name = name, took = host.stop - host.start, at = i } end
  end
  table.sort(list, function(a, b)
    if a.took == b.took then return a.at < b.at end
    return a.took > b.took
  end)
  return list
end

-- Only where one took twice as long as half of them.
local function add_slowest(lines, record)
  local list = durations(record)
  local median = list[#list // 2 + 1]
  if #list <= SLOWEST or list[1].took < LEAST_SLOW or list[1].took < 2 * median.took then return end
  local parts = {}
  for i = 1, SLOWEST do parts[i] = ("%s %s"):format(show.one_line(list[i].name), brief.time(list[i].took)) end
  lines[#lines + 1] = ("slowest: %s; half of them took %s or less"):format(
    table.concat(parts, ", "), brief.time(median.took))
end

-- ---- groups ----

-- Hosts by a key, the largest group first; among equals the one that begins
-- first. Those without a key are left out.
local function group(record, key_of)
  local list, by_key = {}, {}
  for i, name in ipairs(record.hosts) do
    local host = record.by_host[name]
    local key = key_of(host)
    if key then
      local found = by_key[key]
      if not found then
        found = { at = i, host = host, names = {} }
        by_key[key], list[#list + 1] = found, found
      end
      table.insert(found.names, name)
    end
  end
  table.sort(list, function(a, b)
    if #a.names == #b.names then return a.at < b.at end
    return #a.names > #b.names
  end)
  return list
end

local function hosts_in(list, from)
  local count = 0
  for i = from or 1, #list do count = count + #list[i].names end
  return count
end

-- ---- what they said ----

local function output_of(host)
  if host.outcome ~= "ok" then return nil end
  if host.is_long then return "long " .. host.name end
  return show.json(core.array{
    core.array(host.packets), host.count, host.before or "", host.value == nil and core.null or host.value,
  })
end

-- The last lines of what a host said, and whether there were more.
local function output_lines(host, columns)
  local lines, before, missing = {}, {}, host.count - #host.packets
  local function add(v) table.move(brief.lines(v, columns, MOST_LINES), 1, MOST_LINES + 1, #lines + 1, lines) end
  for _, packet in ipairs(host.packets) do add(packet) end
  if host.is_long then
    lines[#lines + 1] = ("a long value%s"):format(host.job and "; harp job result " .. host.job or "")
  elseif not brief.is_nothing(host.value) then
    add(host.value)
  end
  if missing > 0 then before[1] = brief.count(missing, "packet") end
  if #lines > MOST_LINES + 1 then
    before[#before + 1] = brief.count(#lines - MOST_LINES, "line")
    lines = table.move(lines, #lines - MOST_LINES + 1, #lines, 1, {})
  end
  if before[1] then table.insert(lines, 1, ("… %s before"):format(table.concat(before, " and "))) end
  return lines, before[1] ~= nil
end

local function group_title(list, i)
  local count = #list[i].names
  if count == 1 then return "1 host" end
  return ("%s: %s"):format(brief.count(count, "host"), list[2] and "the same" or "all the same")
end

-- What stands before a group: those behind the first, large one are the odd ones.
local function heading(list, i)
  local is_odd = #list[1].names == 1
  if i == 1 and list[2] and is_odd then return ("%s, and all differ:"):format(brief.count(#list, "host")) end
  if i ~= 2 or is_odd then return end
  local count = hosts_in(list, 2)
  return ("%d %s:"):format(count, count == 1 and "differs" or "differ")
end

local function is_silent(list)
  local host = list[1] and list[1].host
  return not host or not list[2] and not host.is_long and host.count == 0 and brief.is_nothing(host.value)
end

-- Returns whether something is not shown.
local function add_outputs(lines, record, columns, paint)
  local list, is_cut = group(record, output_of), false
  if is_silent(list) then return false end
  for i = 1, math.min(#list, MOST_GROUPS) do
    lines[#lines + 1] = heading(list, i)
    local names = folded(list[i].names, columns)
    lines[#lines + 1] = ("%s  %s"):format(paint("1", group_title(list, i)), paint("36", names))
    local texts, cut = output_lines(list[i].host, columns - 4)
    for _, text in ipairs(texts) do lines[#lines + 1] = "    " .. text end
    is_cut = is_cut or cut
  end
  if #list <= MOST_GROUPS then return is_cut end
  lines[#lines + 1] = ("… and %s with other outputs"):format(brief.count(hosts_in(list, MOST_GROUPS + 1), "host"))
  return true
end

-- ---- what failed ----

-- Messages of many hosts are the same but for their names.
local function nameless(host)
  local text = brief.failure(host)
  local name = host.name:gsub("%p", "%%%0")
  return (text:gsub("%f[%w]" .. name .. "%f[^%w]", "HOST"))
end

local function add_failures(lines, record, columns, paint)
  local groups, more = {}, 0
  for _, outcome in ipairs(outcomes.NAMES) do
    local list = group(record, function(host)
      return host.outcome == outcome and outcomes.is_failure(outcome) and nameless(host) or nil
    end)
    for i, found in ipairs(list) do
      found.text = found.names[2] and nameless(found.host) or brief.failure(found.host)
      if i > MOST_FAILURES then more = more + #found.names else groups[#groups + 1] = found end
    end
  end
  for _, found in ipairs(groups) do
    lines[#lines + 1] = ("%s  %s"):format(
      paint("1", brief.count(#found.names, "host")), paint(colour_of(found.host.outcome), found.text))
    lines[#lines + 1] = "    " .. folded(found.names, columns - 4)
  end
  if more > 0 then lines[#lines + 1] = ("… and %s with other failures"):format(brief.count(more, "host")) end
end

-- ---- what to do next ----

-- Jobs of which nobody knows how they ended.
local function unknown_jobs(record)
  local ids = {}
  for _, name in ipairs(record:list "unknown") do
    local host = record.by_host[name]
    if host.job then ids[#ids + 1] = host.job end
  end
  return ids
end

local function add_hint(lines, command, text) lines[#lines + 1] = ("  %-40s  %s"):format(command, text) end

local function add_unknown_hint(lines, record)
  if (record.counts.unknown or 0) == 0 then return end
  local ids = unknown_jobs(record)
  if ids[1] then
    add_hint(lines, ("harp job status %s"):format(table.concat(ids, " ", 1, math.min(#ids, 3))),
      ids[4] and "what became of the first unknown ones" or "what became of the unknown ones")
  else
    add_hint(lines, ("harp jobs --info %s"):format(record.run), "what the dispatcher knows of its calls")
  end
end

local function add_hints(lines, record, is_cut)
  local run, counts = record.run, record.counts
  if counts.running > 0 then add_hint(lines, "harp attach " .. run, "shows what still runs") end
  if not record.is_elsewhere and (not record.finished or (counts.not_reached or 0) > 0) then
    add_hint(lines, "harp run --resume " .. run,
      record.stopped and "goes on all the same, with those that are left" or "goes on where it was")
  end
  add_unknown_hint(lines, record)
  if outcomes.failures(record.counts) > 0 and not record.is_elsewhere then
    add_hint(lines, ("--limit @%s:failed"):format(run), "takes those that failed, in another run")
  end
  if is_cut and not record.is_elsewhere then
    add_hint(lines, ("harp attach --all --json %s"):format(run), "all that they said")
  end
end

--- The lines about a record (also one of a run of elsewhere, see watching.lua),
-- for a terminal of so many columns (default 80). They are for `out` (default
-- io.stdout): they have colours if that has some.
function summary.lines(record, columns, out)
  columns = columns or 80
  local sink, lines = new_sink(out or io.stdout), {}
  local function paint(parameters, text) return sink:paint(parameters, text) end
  add_title(lines, record, paint)
  add_slowest(lines, record)
  local is_cut = add_outputs(lines, record, columns, paint)
  add_failures(lines, record, columns, paint)
  add_hints(lines, record, is_cut)
  return lines
end

return summary
