--- harp.args: what a script is called with, declared once.
--
--     local args = harp.args{
--       "Restarts nginx, a few hosts at a time.",
--       { "host", "where", args = "+" },
--       { "-l --limit", "at most so many at once", type = "integer", default = 3 },
--       { "--dry-run", "only say what would be done", flag = true },
--     }
--     args.host, args.limit, args.dry_run
--
-- Texts of the list say what the script does. Each table is an option, if its
-- name begins with "-", or an argument; its second item is its help. Fields:
--
--     type      "string" (default), "number", "integer", "boolean", "json",
--               "list" ("a,b,c"), "file" (one that can be read), or a function
--               that gets the word and returns the value, or nil and a message
--     default   the value when it is not given; an argument may be left out,
--               then
--     env       the name of a variable of the environment that is asked before
--     choices   list of the values that there are
--     required  true: an option that has to be given
--     flag      true: an option without a value; true or false
--     many      true: an option that may be given again; a list
--     args      how many words: n, "?", "*", "+", "n-m"; a list, except for "?"
--
-- --help is printed, and ends the script with 0; wrong usage is a line on
-- standard error, and status 2.

local command_line = require "harp.command_line"
local core = require "harp.core"

-- ---- types ----

local BOOLEANS = {
  ["true"] = true, yes = true, on = true, ["1"] = true, ["false"] = false, no = false, off = false, ["0"] = false,
}

local types = {}

function types.string(word) return word end

function types.number(word)
  local n = tonumber(word)
  if n then return n end
  return nil, "a number is needed"
end

function types.integer(word)
  local n = word:find "^%s*[+-]?%w+%s*$" and math.tointeger(tonumber(word))
  if n then return n end
  return nil, "an integer is needed"
end

function types.boolean(word)
  local value = BOOLEANS[word:lower()]
  if value == nil then return nil, "true or false is needed" end
  return value
end

function types.json(word)
  local ok, value = pcall(core.decode, word)
  if ok then return value end
  return nil, "JSON is needed: " .. (core.is_error(value) and value.message or tostring(value))
end

function types.list(word)
  local list = {}
  for item in word:gmatch "[^,]+" do list[#list + 1] = item:match "^%s*(.-)%s*$" end
  return list
end

function types.file(word)
  local file, reason = io.open(word)
  if not file then return nil, reason end
  local readable, failure = file:read(0)
  file:close()
  if not readable and failure then return nil, ("%s: %s"):format(word, failure) end
  return word
end

-- ---- the declaration ----

local FIELDS = {
  type = true, default = true, env = true, choices = true, required = true, flag = true, many = true, args = true,
}

local function complain(text) error("harp.args: " .. text, 0) end

local function check_fields(item)
  for field in pairs(item) do
    if type(field) == "string" and not FIELDS[field] then complain(("%s: unknown field %q"):format(item[1], field)) end
  end
  if item.type and type(item.type) ~= "function" and not types[item.type] then
    complain(("%s: unknown type %q"):format(item[1], tostring(item.type)))
  end
end

-- The field of the result: of the longest name, as argparse has it.
local function key_of(item)
  local name = item[1]:match "%-%-(%S+)" or item[1]:match "^%-*(%S+)"
  return (name:gsub("-", "_"))
end

local function check_item(item)
  if type(item) ~= "table" or type(item[1]) ~= "string" or not item[1]:find "%w" then
    complain "a text, or a table that begins with a name, is needed"
  end
  check_fields(item)
  local name = item[1]
  return {
    name = name, text = item[2], fields = item, key = key_of(item),
    is_option = name:sub(1, 1) == "-", label = name:match "%-%-%S+" or name,
  }
end

--- The texts, and the items.
local function read(declaration)
  if type(declaration) ~= "table" then complain "a table is needed" end
  local texts, items = {}, {}
  for _, item in ipairs(declaration) do
    if type(item) == "string" then texts[#texts + 1] = item else items[#items + 1] = check_item(item) end
  end
  return table.concat(texts, "\n\n"), items
end

-- ---- what argparse is told ----

local function shown(value)
  if type(value) == "string" then return value end
  local ok, text = pcall(core.encode, value)
  return ok and text or tostring(value)
end

local function help_of(item)
  local fields, notes = item.fields, {}
  if fields.choices then
    local list = {}
    for i, choice in ipairs(fields.choices) do list[i] = shown(choice) end
    notes[#notes + 1] = "one of " .. table.concat(list, ", ")
  end
  if fields.required then notes[#notes + 1] = "required" end
  if fields.env then notes[#notes + 1] = "$" .. fields.env end
  if fields.default ~= nil then notes[#notes + 1] = "default " .. shown(fields.default) end
  if #notes == 0 then return item.text or "" end
  local about = ("(%s)"):format(table.concat(notes, "; "))
  return item.text and item.text .. " " .. about or about
end

local function check_choice(choices, value)
  if not choices then return value end
  local list = {}
  for i, choice in ipairs(choices) do
    if choice == value then return value end
    list[i] = shown(choice)
  end
  return nil, ("must be one of %s"):format(table.concat(list, ", "))
end

-- As argparse wants it: the value, or nil and what is wrong.
local function convert(item, word)
  local fields = item.fields
  local fn = type(fields.type) == "function" and fields.type or types[fields.type or "string"]
  local value, reason = fn(command_line.unmarked(word))
  if value ~= nil then value, reason = check_choice(fields.choices, value) end
  if value == nil then return nil, ("%s: %s"):format(item.label, reason or "malformed") end
  return value
end

local function add_argument(parser, item)
  local words = item.fields.args or (item.fields.default ~= nil or item.fields.env) and "?" or 1
  parser:argument(item.name, help_of(item)):args(words):target(item.key)
    :convert(function(word) return convert(item, word) end)
end

local function add_option(parser, item)
  if item.fields.flag then return parser:flag(item.name, help_of(item)):target(item.key) end
  local option = parser:option(item.name, help_of(item)):args(item.fields.args or 1):target(item.key)
    :convert(function(word) return convert(item, word) end)
  if item.fields.many then option:count "*" end
  -- argparse would have a line for each name in its help.
  local value = ("<%s>"):format((item.label:gsub("^%-+", "")))
  option:argname(value)
  option._get_label_lines = function() return { item.name:gsub("%s+", ", ") .. " " .. value } end
end

local function parser_of(script, text, items)
  local ok, argparse = pcall(require, "argparse")
  if not ok then complain "the module argparse is missing: Debian has it in lua-argparse" end
  local parser = argparse(script):add_help(false)
  if text ~= "" then parser:description(text) end
  for _, item in ipairs(items) do
    if item.is_option then add_option(parser, item) else add_argument(parser, item) end
  end
  parser:flag("-h --help", "this text"):target "\0help"
  return parser
end

-- ---- what was not given ----

local function is_list(fields) return fields.many or fields.args and fields.args ~= "?" and fields.args ~= 1 end

-- Of the environment, where a list has commas; nil and what is wrong.
local function from_environment(item)
  local text = item.fields.env and os.getenv(item.fields.env)
  if not text or text == "" then return nil end
  if item.fields.flag then return types.boolean(text) end
  if not is_list(item.fields) then return convert(item, text) end
  local list = {}
  for i, word in ipairs(types.list(text)) do
    local value, reason = convert(item, word)
    if value == nil then return nil, reason end
    list[i] = value
  end
  return list
end

local function value_of(item, given)
  local fields = item.fields
  if is_list(fields) and type(given) == "table" and #given == 0 then given = nil end
  if given ~= nil then return given end
  local value, reason = from_environment(item)
  if reason then return nil, ("$%s: %s"):format(fields.env, reason) end
  if value == nil then value = fields.default end
  if value ~= nil then return value end
  if fields.required then return nil, ("option '%s' is required"):format(item.label) end
  if fields.flag then return false end
  return is_list(fields) and {} or nil
end

-- The values by their keys; or nil and what is wrong.
local function finish(items, given)
  local args = {}
  for _, item in ipairs(items) do
    local value, reason = value_of(item, given[item.key])
    if reason then return nil, reason end
    args[item.key] = value
  end
  return args
end

-- ---- reading ----

local function parse(parser, items, words)
  local ok, given = command_line.parse(parser, words)
  if not ok then return nil, given end
  return finish(items, given)
end

local function leave(stream, text, status)
  stream:write(text, "\n")
  os.exit(status, true)
end

--- Reads the script's arguments, or `words`. With words nothing is printed and
-- nothing ends: wrong usage raises a UsageError, and help is nil and its text.
return function(declaration, words)
  local script = (arg and arg[0] or "script"):match "[^/]*$"
  local read_well, text, items = pcall(read, declaration)
  if not read_well then error(text, 2) end
  local parser = parser_of(script, text, items)
  if command_line.asks_for_help(words or arg or {}) then
    if words then return nil, parser:get_help() end
    leave(io.stdout, parser:get_help(), 0)
  end
  local args, reason = parse(parser, items, words or arg or {})
  if args then return args end
  reason = command_line.unmarked(reason):gsub("\1", "")
  if words then error(core.error{ kind = "UsageError", type = "usage", message = reason }, 0) end
  leave(io.stderr, ("%s: %s; see %s --help"):format(script, reason, script), 2)
end
