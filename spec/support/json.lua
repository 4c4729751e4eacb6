--- JSON for the look-alikes: as strict as the stock dispatcher's reader where
-- asked (protocol §1, 8), floats written as its writer does.
--
-- Objects are tables, arrays have json.array's metatable; integers too large
-- for Lua keep their text.

local json = {}

json.null = setmetatable({}, { __name = "null" })
local Array, Big = {}, {}

function json.array(list) return setmetatable(list, Array) end

function json.is_array(v) return getmetatable(v) == Array end

function json.is_object(v) return type(v) == "table" and not getmetatable(v) end

-- ---- reading: a reader has text, at (position) and strict ----

local function fail(reader, message) error(("%s at byte %d"):format(message, reader.at), 0) end

local function take(reader, pattern)
  local found, last = reader.text:find("^" .. pattern, reader.at)
  if found then reader.at = last + 1 end
  return found and reader.text:sub(found, last)
end

local function blank(reader) take(reader, "[ \t\r\n]*") end

local function expect(reader, pattern)
  blank(reader)
  return take(reader, pattern) or fail(reader, "malformed JSON")
end

local function read_number(reader)
  local whole = take(reader, "-?[1-9]%d*") or take(reader, "-?0")
  local fraction, exponent = take(reader, "%.%d+"), take(reader, "[eE][+-]?%d+")
  if exponent and not fraction and reader.strict then fail(reader, "exponent without fraction") end
  local text = whole .. (fraction or "") .. (exponent or "")
  local v = tonumber(text)
  if not fraction and not exponent then
    return math.type(v) == "integer" and v or setmetatable({ text = text }, Big)
  end
  return math.abs(v) < math.huge and v or fail(reader, "too large")
end

local ESCAPES = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

local function read_unit(reader)
  return tonumber(take(reader, "%x%x%x%x") or fail(reader, "bad \\u"), 16)
end

local function read_unicode(reader)
  local code = read_unit(reader)
  if code < 0xD800 or code > 0xDFFF then return utf8.char(code) end
  if reader.strict or not take(reader, "\\u") then fail(reader, "surrogate") end
  return utf8.char(0x10000 + ((code & 0x3FF) << 10) + (read_unit(reader) & 0x3FF))
end

local function read_escape(reader)
  local letter = take(reader, ".") or fail(reader, "unfinished string")
  if letter == "u" then return read_unicode(reader) end
  if letter == "/" and reader.strict then fail(reader, "escaped /") end
  return ESCAPES[letter] or reader.strict and "\\" .. letter or fail(reader, "bad escape")
end

local function read_string(reader)
  local parts = {}
  repeat
    parts[#parts + 1] = take(reader, '[^"\\\0-\31]+')
    if take(reader, "\\") then parts[#parts + 1] = read_escape(reader) end
  until not reader.text:find('^[^"\0-\31]', reader.at)
  expect(reader, '"')
  return table.concat(parts)
end

local read

local function read_array(reader)
  local list = json.array{}
  blank(reader)
  if take(reader, "]") then return list end
  repeat list[#list + 1] = read(reader) until expect(reader, "[],]") == "]"
  return list
end

local function read_member(reader, object)
  expect(reader, '"')
  local name = read_string(reader)
  if object[name] ~= nil then fail(reader, "duplicate key") end
  expect(reader, ":")
  object[name] = read(reader)
end

local function read_object(reader)
  local object = {}
  blank(reader)
  if take(reader, "}") then return object end
  repeat read_member(reader, object) until expect(reader, "[},]") == "}"
  return object
end

function read(reader)
  blank(reader)
  if reader.text:find("^-?%d", reader.at) then return read_number(reader) end
  if take(reader, '"') then return read_string(reader) end
  if take(reader, "%[") then return read_array(reader) end
  if take(reader, "{") then return read_object(reader) end
  if take(reader, "null") then return json.null end
  if take(reader, "true") then return true end
  return not expect(reader, "false")
end

--- The value of a whole text; raises what is wrong with it. `strict`: dies of
-- what the stock dispatcher dies of, and keeps escapes that it does not know.
function json.decode(text, strict)
  local reader = { text = text, at = 1, strict = strict }
  if not utf8.len(text) then fail(reader, "invalid UTF-8") end
  local v = read(reader)
  blank(reader)
  if reader.at <= #text then fail(reader, "more than one value") end
  return v
end

-- ---- writing ----

local function quote(text)
  return '"' .. text:gsub('["\\\0-\31]', function(c)
    return (c == '"' or c == "\\") and "\\" .. c or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

local function sorted_keys(object)
  local list = {}
  for name in pairs(object) do list[#list + 1] = name end
  table.sort(list)
  return list
end

local function encode_table(v, float)
  local list = {}
  if json.is_array(v) then
    for i, item in ipairs(v) do list[i] = json.encode(item, float) end
    return "[" .. table.concat(list, ",") .. "]"
  end
  for i, name in ipairs(sorted_keys(v)) do list[i] = quote(name) .. ":" .. json.encode(v[name], float) end
  return "{" .. table.concat(list, ",") .. "}"
end

local function long_exponent(v) return ("%.20e"):format(v) end

--- The shortest text that reads back as the same float.
function json.shortest(v)
  for digits = 1, 17 do
    local text = ("%." .. digits .. "g"):format(v)
    if tonumber(text) == v then return text:find "[.e]" and text or text .. ".0" end
  end
end

--- The text of a value, on one line, keys sorted. `float` writes floats: as the
-- stock dispatcher does, unless told otherwise.
function json.encode(v, float)
  if v == json.null then return "null" end
  if getmetatable(v) == Big then return v.text end
  if type(v) == "table" then return encode_table(v, float) end
  if type(v) == "string" then return quote(v) end
  if math.type(v) == "float" then return (float or long_exponent)(v) end
  return tostring(v)
end

return json
