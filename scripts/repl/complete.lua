--- What can stand at the cursor. Nothing of the line is run for it: names are
-- looked up, hosts and procedures asked for (harp.repl.ask).

local ask = require "harp.repl.ask"
local printable = require "harp.printable"
local show = require "harp.repl.show"
local tokens = require "harp.repl.tokens"
local width = require "harp.cli.width"

local complete = {}

local COMMANDS = { ":help", ":json", ":load", ":quit", ":time" }

local class_of = show.class_of

-- ---- values that a line names ----

-- A field, without running anything but what harp's own objects do.
local function field(v, key)
  local class = class_of(v)
  if class == "harp.caller" or class == "harp.host" then return v[key] end
  if type(v) == "table" and rawget(v, key) ~= nil then return rawget(v, key) end
  local metatable = debug.getmetatable(v)
  local index = type(metatable) == "table" and rawget(metatable, "__index")
  if type(index) == "table" then return field(index, key) end
end

local function variable(scope, name)
  local v, found = scope:get(name)
  if found then return v end
  return rawget(_G, name)
end

-- The value of a chain of names such as `rpc.web01`, `rpc("web01")`, `t["a"].b`
-- or "text", at the end of a text; nil when it is none.
local function value_of(scope, text)
  text = text:match "^(.-)%s*$"
  local head, _, key = text:match "^(.*)%[%s*([\"'])([^\"']*)%2%s*%]$"
  if head then return field(value_of(scope, head), key) end
  head, _, key = text:match "^(.*)%(%s*([\"'])([^\"']*)%2%s*%)$"
  if head then
    local called = value_of(scope, head:match "^(.*)[.:]host%s*$" or head)
    if class_of(called) == "harp.caller" then return called(key) end
    return not head:find "[%w_%])\"']%s*$" and key or nil
  end
  if text:find "[\"']$" then return "" end
  local name
  head, name = text:match "^(.-)([%a_][%w_]*)$"
  if not head then return nil end
  local owner = head:match "^(.*[^.])[.:]%s*$"
  if owner then return field(value_of(scope, owner), name) end
  return variable(scope, name)
end

-- ---- what they have ----

local function add(list, name, shown) list[#list + 1] = { name = name, shown = shown, tells = shown ~= nil } end

-- The names of a table and of those that it inherits from; of an object of a
-- class its methods.
local function add_fields(list, v, functions_only)
  while v ~= nil do
    local metatable = debug.getmetatable(v)
    local index = type(metatable) == "table" and rawget(metatable, "__index")
    if type(v) == "table" and not (class_of(v) and index ~= v and index) then
      for name, member in next, v do
        local hidden = type(name) ~= "string" or name:find "^__" or (functions_only and type(member) ~= "function")
        if not hidden then add(list, name) end
      end
    end
    v = type(index) == "table" and index ~= v and index or nil
  end
end

local function add_procedures(list, procedures)
  for _, procedure in ipairs(procedures or {}) do
    local doc = procedure.doc and "  " .. procedure.doc:match "[^\n]*" or ""
    add(list, procedure.name, ask.signature(procedure) .. doc)
  end
end

local MEMBERS = {}

MEMBERS["harp.caller"] = function(list, caller)
  add_fields(list, debug.getmetatable(caller).methods)
  for _, name in ipairs(ask.hosts(caller)) do add(list, name) end
end

MEMBERS["harp.host"] = function(list, host)
  add(list, "procedure")
  add_procedures(list, ask.procedures(host))
end

MEMBERS["harp.server"] = function(list, server)
  add(list, "procedure")
  add_procedures(list, ask.server_procedures(server))
end

local function members(v, functions_only)
  local list, special = {}, MEMBERS[class_of(v)]
  if special then special(list, v) else add_fields(list, v, functions_only) end
  return list
end

-- ---- candidates ----

-- Those that begin so, once each, in order.
local function matching(list, beginning)
  local result, seen = {}, {}
  for _, candidate in ipairs(list) do
    local name = candidate.name
    if name:sub(1, #beginning) == beginning and not seen[name] then
      seen[name] = true
      result[#result + 1] = candidate
    end
  end
  table.sort(result, function(a, b) return a.name < b.name end)
  return result
end

local function is_identifier(name) return name:find "^[%a_][%w_]*$" and not tokens.KEYWORDS[name] end

-- Behind a dot only names can stand. Where there are none but others, the dot
-- gives way to ("name").
local function as_fields(list, dot)
  local names = {}
  for _, candidate in ipairs(list) do
    if is_identifier(candidate.name) then names[#names + 1] = candidate end
  end
  if names[1] or not dot then return names end
  for i, candidate in ipairs(list) do names[i] = { name = ("(%q)"):format(candidate.name), shown = candidate.name } end
  return names, true
end

local function modules(beginning)
  local list = {}
  for _, known in ipairs{ package.loaded, package.preload } do
    for name in pairs(known) do
      if beginning:find "^harp%." or not name:find "^harp%." then add(list, name) end
    end
  end
  return list
end

-- What a string that is open at the end of the text is given to: the text
-- before it, and what it has so far.
local function open_string(text)
  local open
  for first, last, kind, word in tokens.each(text) do
    local quote = word:sub(1, 1)
    local closed = #word > 1 and last <= #text and word:sub(-1) == quote
    open = kind == "string" and quote:find "[\"']" and not closed and first or nil
  end
  if open then return text:sub(1, open - 1), text:sub(open + 1) end
end

local function in_string(scope, before, beginning)
  local head = before:match "^(.-)%s*%(?%s*$"
  if head:find "%f[%w_]require$" then return matching(modules(beginning), beginning) end
  local caller = value_of(scope, head:match "^(.*)[.:]host$" or head)
  if class_of(caller) ~= "harp.caller" then return {} end
  local list = {}
  for _, name in ipairs(ask.hosts(caller)) do add(list, name) end
  return matching(list, beginning)
end

local function in_field(scope, owner, sign, beginning)
  local v = value_of(scope, owner)
  if v == nil then return {} end
  local list = members(v, sign == ":")
  return as_fields(matching(list, beginning), sign == "." and class_of(v) == "harp.caller")
end

local function names(scope)
  local list = {}
  for name in scope:names() do add(list, name) end
  add_fields(list, _G)
  for name in pairs(tokens.KEYWORDS) do add(list, name) end
  return list
end

local function commands(text)
  local list = {}
  for _, name in ipairs(COMMANDS) do add(list, name) end
  return matching(list, text)
end

--- The candidates for what stands before the cursor, in order: { name,
-- shown = how it is listed, or nil; tells = does that say more? }, and how many
-- bytes before the cursor they replace.
function complete.candidates(scope, text)
  if text:find "^:%a*$" then return commands(text), #text end
  local before, beginning = open_string(text)
  if before then return in_string(scope, before, beginning), #beginning end
  local owner, sign, name = text:match "^(.*[^.%s])%s*([.:])([%a_]?[%w_]*)$"
  if owner then
    local list, with_sign = in_field(scope, owner, sign, name)
    return list, #name + (with_sign and 1 or 0)
  end
  name = text:match "[%a_][%w_]*$" or ""
  if text:find "%d[%w_]*$" and name == "" then return {}, 0 end
  return matching(names(scope), name), #name
end

--- What all of them begin with.
function complete.common(list)
  local common = list[1] and list[1].name or ""
  for _, candidate in ipairs(list) do
    while candidate.name:sub(1, #common) ~= common do common = common:sub(1, -2) end
  end
  while not utf8.len(common) do common = common:sub(1, -2) end
  return common
end

-- ---- how they are listed ----

local MOST = 200

local function shown(candidate) return candidate.shown or candidate.name end

local function in_columns(texts, longest, columns)
  local room = longest + 2
  local count = math.max(columns // room, 1)
  local rows, lines = (#texts + count - 1) // count, {}
  for row = 1, rows do
    local line = {}
    for i = row, #texts, rows do line[#line + 1] = texts[i] .. (" "):rep(room - width.of(texts[i])) end
    lines[row] = table.concat(line):match "^(.-)%s*$"
  end
  return table.concat(lines, "\n")
end

--- The candidates as text, not wider than the terminal.
function complete.list(candidates)
  local columns, texts, longest = show.columns(), {}, 0
  for i = 1, math.min(#candidates, MOST) do
    texts[i] = width.cut(printable(shown(candidates[i])), columns - 1)
    longest = math.max(longest, width.of(texts[i]))
  end
  local text = in_columns(texts, longest, columns)
  if #candidates > MOST then text = ("%s\n… and %d more"):format(text, #candidates - MOST) end
  return text
end

return complete
