--- harp.log: lines for whoever watches a script, on standard error.
--
--     harp.log("%d hosts", n)                the same as harp.log.info
--     harp.log.debug("got %s", reply)        a table is shown as JSON
--     harp.log.level = "warning"             debug, info, warning, error, off;
--                                            default $HARP_LOG, else info
--
-- A text without values is written as it is. What the level leaves out costs a
-- comparison. Each line is one write, so that lines of tasks and of other
-- processes stay whole.

local core = require "harp.core"
local printable = require "harp.printable"

local RANKS = { debug = 1, info = 2, warning = 3, error = 4, off = 5 }
local COLOURS = { debug = "\27[2m", info = "\27[32m", warning = "\27[33m", error = "\27[31m" }

local log = {}

local level = "info"

local function set_level(name)
  if not RANKS[name] then
    error(("harp.log.level: %q is none of debug, info, warning, error, off"):format(tostring(name)), 3)
  end
  level = name
end

-- ---- a line ----

local function shown(value)
  local metatable = type(value) == "table" and getmetatable(value)
  if type(value) ~= "table" or type(metatable) == "table" and metatable.__tostring then return value end
  local ok, text = pcall(core.encode, value)
  return ok and text or tostring(value)
end

-- A text that does not fit its values must not end the script.
local function text_of(text, ...)
  local count = select("#", ...)
  if count == 0 then return tostring(shown(text)) end
  local values = { ... }
  for i = 1, count do values[i] = shown(values[i]) end
  local ok, line = pcall(string.format, tostring(text), table.unpack(values, 1, count))
  if ok then return line end
  for i = 1, count do values[i] = tostring(values[i]) end
  return ("%s [%s]"):format(tostring(text), table.concat(values, ", "))
end

local function tag(name)
  local padded = ("%-7s"):format(name)
  if not core.has_colours(2) then return padded end
  return COLOURS[name] .. padded .. "\27[0m"
end

-- What comes from outside moves no cursor, and begins no line.
local function write(name, ...)
  local text = printable(text_of(...)):gsub("\n", "\n    ")
  io.stderr:write(("%s %s %s\n"):format(os.date "%Y-%m-%d %H:%M:%S", tag(name), text))
end

for name in pairs(COLOURS) do
  local rank = RANKS[name]
  log[name] = function(...)
    if rank >= RANKS[level] then write(name, ...) end
  end
end

local asked = os.getenv "HARP_LOG"
if RANKS[asked] then
  level = asked
elseif asked and asked ~= "" then
  log.warning("$HARP_LOG: %q is none of debug, info, warning, error, off", asked)
end

return setmetatable(log, {
  __call = function(_, ...) return log.info(...) end,
  __index = function(_, key)
    if key == "level" then return level end
  end,
  __newindex = function(_, key, value)
    if key ~= "level" then error(("harp.log has no %q"):format(tostring(key)), 2) end
    set_level(value)
  end,
})
