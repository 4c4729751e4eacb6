--- Values and times as people read them, and as scripts do.

local core = require "harp.core"
local printable = require "harp.printable"
local width = require "harp.cli.width"

local show = {}

-- ---- JSON ----

local COMPACT = { comma = ",", colon = ":" }
local SPACED = { comma = ", ", colon = ": " }

local function is_leaf(v) return type(v) ~= "table" or next(v) == nil end

-- The names of an object, in an order that is always the same.
local function names_of(object)
  local names = {}
  for name in pairs(object) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- Calls `each(item, name)` for what is in an array or an object, in order.
local function members(v, each)
  if core.is_array(v) then
    for _, item in ipairs(v) do each(item) end
  else
    for _, name in ipairs(names_of(v)) do each(v[name], name) end
  end
end

local function brackets(v)
  if core.is_array(v) then return "[", "]" end
  return "{", "}"
end

local function on_one_line(v, style)
  if is_leaf(v) then return core.encode(v) end
  local parts, open, close = {}, brackets(v)
  members(v, function(item, name)
    local text = on_one_line(item, style)
    parts[#parts + 1] = name and core.encode(name) .. style.colon .. text or text
  end)
  return open .. table.concat(parts, style.comma) .. close
end

-- On one line where that fits, else indented as what it is in; `beside` is what
-- else the line has to hold: a name, a comma.
local function laid_out(v, columns, margin, beside)
  local line = on_one_line(v, SPACED)
  if is_leaf(v) or width.of(line) + margin + beside <= columns then return line end
  local parts, open, close = {}, brackets(v)
  local indent = ("  "):rep(margin // 2 + 1)
  members(v, function(item, name)
    local before = name and core.encode(name) .. ": " or ""
    parts[#parts + 1] = indent .. before .. laid_out(item, columns, #indent, width.of(before) + 1)
  end)
  return open .. "\n" .. table.concat(parts, ",\n") .. "\n" .. ("  "):rep(margin // 2) .. close
end

--- A value as JSON on one line, names in order: always the same text.
function show.json(v) return on_one_line(v, COMPACT) end

--- A line of JSON, its members in the order of `fields`: a list of
-- { name, value }, of which those without a value are left out.
function show.record(fields)
  local parts = {}
  for _, field in ipairs(fields) do
    if field[2] ~= nil then parts[#parts + 1] = core.encode(field[1]) .. ":" .. show.json(field[2]) end
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

-- ---- for people ----

--- A text that does nothing to a terminal, on one line.
function show.one_line(text) return (printable(text):gsub("%s*[\n\t]%s*", " ")) end

-- A string that could be taken for a number or the like keeps its quotes, and
-- so does one that would not be seen.
local function needs_quotes(text) return not text:find "%S" or (pcall(core.decode, text)) end

--- A value for a terminal: a string as it is, JSON otherwise, indented when it
-- does not fit.
function show.value(v, columns)
  if type(v) == "string" and not needs_quotes(v) then return printable((v:gsub("\n$", ""))) end
  return printable(laid_out(v, columns, 0, 0))
end

--- A queue's name: what --queue takes; what begins as JSON does is no name there.
function show.queue(name)
  if name == nil then return nil end
  local text = name.name
  local plain = type(text) == "string" and next(name, "name") == nil and next(name) == "name"
  return plain and not needs_quotes(text) and not text:find "^%s*[{[]" and text or show.json(name)
end

--- Arguments as a shell command has them: JSON, names before an equals sign.
function show.arguments(arguments)
  local parts = {}
  members(arguments, function(item, name)
    local text = type(item) == "string" and item:find "^[%w_./:@-]+$" and not needs_quotes(item) and item
      or on_one_line(item, SPACED)
    parts[#parts + 1] = name and name .. "=" .. text or text
  end)
  return table.concat(parts, " ")
end

--- How a job stands, in a word.
function show.state(job)
  if job.state ~= "ended" then return job.state end
  return job.outcome == "result" and "done" or job.outcome or "ended"
end

show.STATE_COLOURS = {
  queued = "33", running = "36", done = "32", exception = "31", error = "31", cancelled = "35",
}

local HOST_COLOURS = { "36", "33", "35", "32", "34", "96", "93", "95", "92", "94" }

--- The colour of the nth host of several: SGR parameters.
function show.host_colour(n) return HOST_COLOURS[(n - 1) % #HOST_COLOURS + 1] end

-- ---- times ----

local UNITS = { { 86400, "d" }, { 3600, "h" }, { 60, "m" } }

--- Seconds, short: "<1s", "12s", "5m", "3h", "12d".
function show.duration(seconds)
  if seconds < 1 then return "<1s" end
  for _, unit in ipairs(UNITS) do
    if seconds >= 2 * unit[1] then return ("%d%s"):format(seconds // unit[1], unit[2]) end
  end
  return ("%ds"):format(seconds // 1)
end

--- How long ago a time is.
function show.age(time) return time and show.duration(math.floor(os.time() - time)) end

--- A time, unix seconds, as clocks here show it.
function show.time(time)
  return ("%s (%s ago)"):format(os.date("%Y-%m-%d %H:%M:%S", math.floor(time)), show.age(time))
end

return show
