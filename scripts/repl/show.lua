--- Values as a prompt prints them: readable, bounded, and each for what it is.
-- Nothing of the value is run but a __tostring.

local core = require "harp.core"
local printable = require "harp.printable"
local tokens = require "harp.repl.tokens"

local show = {}

local DEEPEST = 5               -- tables in tables
local MOST_ITEMS = 100          -- of one table
local MOST_IN_ALL = 1000
local LONGEST_STRING = 500      -- bytes, in a table; four times that alone
local SORTED = 10000            -- keys, of a table with more the order is any

-- ---- colour ----

local COLOURS = {
  string = "32", number = "36", constant = "35", object = "34", failure = "31", faint = "2", strong = "1",
}

local coloured = false

--- Is what is printed from now on coloured?
function show.use_colour(is) coloured = is end

--- A text in the colour of what it is: a name of the list above.
function show.paint(what, text)
  if not coloured then return text end
  return ("\27[%sm%s\27[0m"):format(COLOURS[what], text)
end

-- Rendered values are pieces: { text as it is printed, its width, has it
-- several lines? }.
local function piece(what, text)
  return { what and show.paint(what, text) or text, utf8.len(text) or #text, text:find("\n", 1, true) ~= nil }
end

-- ---- strings and names ----

local ESCAPES = { ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\", ["\27"] = "\\27" }

local function escape(c) return ESCAPES[c] or ("\\%03d"):format(c:byte()) end

-- Not in the middle of a character.
local function cut(text, length)
  while length > 0 and (text:byte(length + 1) or 0) & 0xC0 == 0x80 do length = length - 1 end
  return text:sub(1, length)
end

--- A string as Lua has it.
function show.quote(text)
  local pattern = utf8.len(text) and '[%c"\\]' or '[%c"\\\128-\255]'
  return '"' .. printable((text:gsub(pattern, escape))) .. '"'
end

local function string_piece(text, longest)
  if #text <= longest then return piece("string", show.quote(text)) end
  return piece("string", ("%s… (%d bytes)"):format(show.quote(cut(text, longest)):sub(1, -2), #text))
end

local function is_name(key)
  return type(key) == "string" and key:find "^[%a_][%w_]*$" and not tokens.KEYWORDS[key]
end

-- ---- objects ----

--- The __name of a value's metatable, false without one.
function show.class_of(v)
  local metatable = debug.getmetatable(v)
  return type(metatable) == "table" and rawget(metatable, "__name") or false
end

local function printed(v)
  local ok, text = pcall(tostring, v)
  return ok and printable(text) or "value whose __tostring fails"
end

-- By the __name of their metatables: what they are.
local OBJECTS = {}

OBJECTS["harp.stream"] = function(stream)
  local of = stream.about or "values"
  if stream.ended then return ("iterator over %s, which has ended"):format(of) end
  return ("iterator over %s: for v in _ do … end, or _:all()"):format(of)
end

OBJECTS["harp.exec"] = function(run)
  return ("lines of %s: for line in _ do … end, or _:all(), _:result()"):format(run.name)
end

OBJECTS["harp.named"] = false   -- a table like others

-- nil for what is shown as a table.
local function object_piece(v)
  if v == core.null then return piece("constant", "harp.null") end
  if core.is_error(v) then return piece("failure", printed(v)) end
  local metatable, describe = debug.getmetatable(v), OBJECTS[show.class_of(v)]
  if describe then return piece("object", describe(v)) end
  if type(v) ~= "table" then return piece("object", printed(v)) end
  if describe ~= false and type(metatable) == "table" and rawget(metatable, "__tostring") then
    return piece("object", printed(v))
  end
end

--- The name of a procedure and its host, when that is what a function is: what
-- harp.callable makes has the two as upvalues.
function show.procedure(fn)
  if type(fn) ~= "function" or debug.getinfo(fn, "S").source ~= "=harp/callable.lua" then return nil end
  local found, i = {}, 1
  repeat
    local name, v = debug.getupvalue(fn, i)
    if name then found[name] = v end
    i = i + 1
  until not name
  if show.class_of(found.object) == "harp.host" then return found.name, found.object end
end

local function function_piece(fn)
  local name, host = show.procedure(fn)
  if name then return piece("object", ("procedure %s of %s; help(_) tells of it"):format(name, printed(host))) end
  local about = debug.getinfo(fn, "Su")
  if about.what == "C" then return piece("object", "function (built in)") end
  local parameters = {}
  for i = 1, about.nparams do parameters[i] = debug.getlocal(fn, i) end
  if about.isvararg then parameters[#parameters + 1] = "…" end
  return piece("object", ("function (%s) at %s:%d"):format(
    table.concat(parameters, ", "), about.short_src, about.linedefined))
end

-- ---- tables ----

local render

-- Keys that are no place of the sequence, in a good order, and how many of
-- them there are.
local function other_keys(t, length)
  local keys, count = {}, 0
  for key in next, t do
    if not (math.type(key) == "integer" and key >= 1 and key <= length) then
      count = count + 1
      if count <= SORTED then keys[count] = key end
    end
  end
  if count <= SORTED then
    table.sort(keys, function(a, b)
      if type(a) == type(b) and (type(a) == "number" or type(a) == "string") then return a < b end
      return type(a) < type(b)
    end)
  end
  return keys, count
end

local function add(items, piece_of_value, before, width)
  items[#items + 1] = { before .. piece_of_value[1], width + piece_of_value[2], piece_of_value[3] }
end

local function key_text(key, state)
  if is_name(key) then return key .. " = ", #key + 3 end
  local shown = type(key) == "string" and string_piece(key, 80) or render(key, state, DEEPEST)
  return ("[%s] = "):format(shown[1]), shown[2] + 5
end

local function items_of(t, state, depth)
  local items, length = {}, rawlen(t)
  local function is_full() return #items >= MOST_ITEMS or state.left <= 0 end
  for i = 1, length do
    if is_full() then break end
    add(items, render(rawget(t, i), state, depth + 1), "", 0)
  end
  local keys, count = other_keys(t, length)
  for _, key in ipairs(keys) do
    if is_full() then break end
    local before, width = key_text(key, state)
    add(items, render(rawget(t, key), state, depth + 1), before, width)
  end
  local missing = length + count - #items
  if missing > 0 then items[#items + 1] = piece("faint", ("… %d more"):format(missing)) end
  return items
end

local function join(items, depth, state, opening, closing)
  local texts, width, many = {}, 2 * depth + 4, false
  for i, item in ipairs(items) do
    texts[i], width, many = item[1], width + item[2] + 2, many or item[3]
  end
  if not many and width <= state.columns then
    return { opening .. table.concat(texts, ", ") .. closing, width - 2 * depth, false }
  end
  local indent = "\n" .. ("  "):rep(depth + 1)
  return {
    opening:sub(1, 1) .. indent .. table.concat(texts, "," .. indent) .. "\n" .. ("  "):rep(depth) .. closing:sub(-1),
    0, true,
  }
end

local function table_piece(t, state, depth)
  local is_array = core.is_array(t)
  if state.open[t] then return piece("faint", "<cycle>") end
  if next(t) == nil then return piece(nil, is_array and "[]" or "{}") end
  if depth >= DEEPEST or state.left <= 0 then return piece("faint", is_array and "[…]" or "{…}") end
  state.open[t] = true
  local items = items_of(t, state, depth)
  state.open[t] = nil
  if is_array then return join(items, depth, state, "[", "]") end
  return join(items, depth, state, "{ ", " }")
end

local PLAIN = { ["nil"] = "constant", boolean = "constant", number = "number" }

function render(v, state, depth)
  state.left = state.left - 1
  local kind = type(v)
  if PLAIN[kind] then return piece(PLAIN[kind], tostring(v)) end
  if kind == "string" then return string_piece(v, depth == 0 and 4 * LONGEST_STRING or LONGEST_STRING) end
  if kind == "function" then return function_piece(v) end
  return object_piece(v) or table_piece(v, state, depth)
end

--- The columns that there are.
function show.columns()
  local columns = core.terminal(1)
  return columns and columns > 0 and columns or 80
end

--- A value as text, of perhaps several lines.
function show.text(v)
  local state = { left = MOST_IN_ALL, open = {}, columns = show.columns() }
  return render(v, state, 0)[1]
end

-- A stream comes with what a loop wants besides.
local function is_loop(values)
  return values.n == 4 and values[2] == nil and values[3] == nil and rawequal(values[1], values[4])
end

--- All values of an expression (table.pack), one below the other.
function show.values(values)
  local texts = {}
  for i = 1, is_loop(values) and 1 or values.n do texts[i] = show.text(values[i]) end
  return table.concat(texts, "\n")
end

-- A traceback alone, as errors of Lua have it, is for reading.
local function data_text(data)
  local traceback = type(data) == "table" and data.traceback
  if type(traceback) ~= "string" or next(data, "traceback") or next(data) ~= "traceback" then
    return show.paint("faint", "data: ") .. show.text(data)
  end
  return show.paint("faint", printable(traceback))
end

--- An error that a line has raised: those of harp in one line, with what to do
-- about it.
function show.failure(failure, traceback)
  if core.is_error(failure) then
    local text = show.paint("failure", require("harp.outcome").line(failure))
    if failure.data == nil or failure.data == core.null then return text end
    return text .. "\n" .. data_text(failure.data)
  end
  if type(failure) ~= "string" then return show.paint("failure", "error: ") .. show.text(failure) end
  return show.paint("failure", failure) .. (traceback and "\n" .. show.paint("faint", traceback) or "")
end

return show
