--- What people write on a command line.

local command_line = require "harp.command_line"
local core = require "harp.core"
local main = require "harp.cli.main"
local quantities = require "harp.quantities"

local reading = {}

-- ---- converters for argparse: the value, or nil and what is wrong ----

reading.seconds, reading.count, reading.number = quantities.seconds, quantities.count, quantities.number

local function date(text)
  local year, month, day, rest = text:match "^(%d%d%d%d)%-(%d%d)%-(%d%d)(.*)$"
  local hour, minute, second = (rest or ""):match "^[T ](%d%d):(%d%d):?(%d*)$"
  if not year or rest ~= "" and not hour then return nil end
  return os.time{
    year = year, month = month, day = day, hour = hour or 0, min = minute or 0,
    sec = second and second ~= "" and second or 0,
  }
end

--- "1h" (ago), "2026-11-25", "2026-11-25 14:30[:05]" (local time) or unix
-- seconds → unix seconds.
function reading.since(text)
  local long_ago = text:find "[smhd]$" and reading.seconds(text)
  local time = long_ago and os.time() - long_ago or date(text) or tonumber(text)
  if time and time >= 0 then return time end
  return nil, ("'%s' is no time: write such as 10m, 1h, 2d, or a date, 2026-11-25 or '2026-11-25 14:30'"):format(
    command_line.unmarked(text))
end

--- A queue: {"name": text}, or the object that the text is. What begins as JSON
-- does is no name.
function reading.queue(text)
  if not text:find "^%s*[{[]" then return { name = text } end
  local is_json, value = pcall(core.decode, text)
  if is_json and not core.is_array(value) then return value end
  return nil, ("'%s' is no queue: %s; write a name, or an object, such as '{\"service\": \"web\"}'"):format(
    text, is_json and "it is an array" or ("it is no JSON (%s)"):format(value.message:gsub("%.$", "")))
end

-- ---- JSON ----

--- JSON where it is JSON, else the text itself.
function reading.value(text)
  local is_json, value = pcall(core.decode, text)
  if is_json then return value end
  return text
end

--- The one JSON value that standard input is.
function reading.input()
  local text = io.read "a" or ""
  local is_json, value = pcall(core.decode, text)
  if not is_json then main.usage("standard input is not JSON: " .. value.message) end
  return value
end

-- One argument; "-" is what standard input has.
local function argument(text, input)
  if text ~= "-" then return reading.value(text) end
  if input.read then main.usage "standard input can be one argument only" end
  input.read = true
  return reading.input()
end

local function named(words)
  local arguments, input = {}, {}
  for _, word in ipairs(words) do
    local name, text = word:match "^([%a_][%w_]*)=(.*)$"
    if not name then
      main.usage(("either all arguments have names, or none: '%s' has none (a text with '=' is '\"a=b\"')"):format(
        word))
    end
    if arguments[name] ~= nil then main.usage(("there are two arguments %s"):format(name)) end
    arguments[name] = argument(text, input)
  end
  return arguments
end

local function positional(words)
  local arguments, input = {}, {}
  for i, word in ipairs(words) do arguments[i] = argument(word, input) end
  return core.array(arguments)
end

--- The arguments of a call: an array, or a table of named ones. Words are JSON
-- where they are JSON, else texts; NAME=WORD for named ones; "-" alone is all
-- of them, or the one argument, that standard input has.
function reading.arguments(words)
  if #words == 1 and words[1] == "-" then
    local value = reading.input()
    return type(value) == "table" and value or core.array{ value }
  end
  for _, word in ipairs(words) do
    if word:find "^[%a_][%w_]*=" then return named(words) end
  end
  return positional(words)
end

return reading
