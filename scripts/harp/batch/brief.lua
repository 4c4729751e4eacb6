--- What hosts say, short enough for many of them.

local core = require "harp.core"
local outcomes = require "harp.batch.outcomes"
local printable = require "harp.printable"
local show = require "harp.cli.show"
local width = require "harp.cli.width"

local brief = {}

local LONGEST = 8000            -- bytes of a value that is laid out
local WIDEST = 400              -- columns of a line

-- ---- values ----

local function size_text(bytes)
  return bytes < 10000 and ("%d bytes"):format(bytes) or ("%d kB"):format(bytes // 1000)
end

local function beginning(text, bytes)
  if #text <= bytes then return text end
  return (text:sub(1, bytes):gsub("[\xc0-\xff][\x80-\xbf]*$", ""))
end

-- Its beginning, and how long it is. The text is JSON where it is no string.
local function long_text(text)
  return ("%s… (%s)"):format(width.cut(show.one_line(beginning(text, WIDEST // 2)), WIDEST - 20), size_text(#text))
end

local function text_of(v, columns)
  if type(v) == "string" then return #v <= LONGEST and show.value(v, columns) or long_text(v) end
  local well, json = pcall(core.encode, v)
  if not well then return show.one_line(tostring(v)) end
  return #json <= LONGEST and show.value(v, columns) or long_text(json)
end

-- Of many lines only those that are shown are laid out.
local function is_lines(v) return type(v) == "string" and #v > LONGEST and v:find "\n." ~= nil end

--- The lines of a value, at most `most` and one that says how many are left out.
function brief.lines(v, columns, most)
  local text = is_lines(v) and v:gsub("\n$", "") or text_of(v, columns)
  local count, lines = select(2, text:gsub("\n", "")) + 1, {}
  local shown = count == most + 1 and count or math.min(count, most)
  for line in (text .. "\n"):gmatch "(.-)\n" do
    lines[#lines + 1] = width.cut(printable(beginning(line, 4 * WIDEST)), WIDEST)
    if #lines == shown then break end
  end
  if count > shown then lines[shown + 1] = ("… %d more lines"):format(count - shown) end
  return lines
end

--- A value on one line.
function brief.line(v)
  local text = type(v) == "string" and show.value(v, math.huge) or text_of(v, math.huge)
  return width.cut(show.one_line(text), WIDEST)
end

--- Is there nothing to show of it?
function brief.is_nothing(v) return v == nil or v == core.null end

-- ---- failures ----

-- Types that say no more than the outcome.
local PLAIN = { lua = true, error = true, task = true, missing = true }

--- An end, or an attempt's, that was not ok, in one line: the outcome, what type
-- of failure, and its message. `failure` has outcome, type, message and job.
function brief.failure(failure)
  local parts = { outcomes.TITLES[failure.outcome] or failure.outcome }
  if failure.type and failure.type ~= failure.outcome and not PLAIN[failure.type] then parts[2] = failure.type end
  if failure.message then parts[#parts + 1] = failure.message end
  return width.cut(show.one_line(table.concat(parts, ": ")), WIDEST)
end

-- ---- quantities ----

--- "1 host", "20 hosts".
function brief.count(n, what) return n == 1 and ("1 %s"):format(what) or ("%d %ss"):format(n, what) end

--- Seconds as a clock: "0.4s", "42s", "3m20s", "2h05m".
function brief.time(seconds)
  if seconds < 9.95 then return ("%.1fs"):format(math.max(seconds, 0)) end
  return brief.clock(seconds)
end

--- The same in whole seconds.
function brief.clock(seconds)
  seconds = math.max(math.floor(seconds + 0.5), 0)
  if seconds < 60 then return ("%ds"):format(seconds) end
  if seconds < 3600 then return ("%dm%02ds"):format(seconds // 60, seconds % 60) end
  if seconds < 86400 then return ("%dh%02dm"):format(seconds // 3600, seconds % 3600 // 60) end
  return ("%dd%02dh"):format(seconds // 86400, seconds % 86400 // 3600)
end

return brief
