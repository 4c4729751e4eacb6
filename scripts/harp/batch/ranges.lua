--- Ranges of names: "web[01-20,25]x[1-2]". It needs nothing but Lua: the names
-- of a local daemon's hosts are expanded here as well (runtime/cli/stack_hosts.c).

local ranges = {}

ranges.MOST = 100000            -- names that one text may mean
local DIGITS = 15               -- of a number, the most

-- ---- from text to names ----

local DEPTH = { ["["] = 1, ["]"] = -1 }

--- The words of a text, between commas and blanks; those within brackets do not
-- separate. nil and what is wrong where brackets are not in pairs.
function ranges.split(text)
  local words, from, depth = {}, 1, 0
  for at, sign in text:gmatch "()([%[%],%s])" do
    depth = depth + (DEPTH[sign] or 0)
    if depth < 0 or depth > 1 then break end
    if depth == 0 and not DEPTH[sign] then
      words[#words + 1] = at > from and text:sub(from, at - 1) or nil
      from = at + 1
    end
  end
  if depth ~= 0 then return nil, ("%s: a bracket has no other one, or stands in another pair"):format(text) end
  words[#words + 1] = from <= #text and text:sub(from) or nil
  return words
end

-- "01-20" or "25": the first, the last, and to how many digits zeros fill them.
local function bounds(item)
  local first, last = item:match "^%s*(%d+)%s*%-%s*(%d+)%s*$"
  first = first or item:match "^%s*(%d+)%s*$"
  last = last or first
  if not first then return nil, "must be a number, or two with a dash between" end
  if math.max(#first, #last) > DIGITS then return nil, ("has more than %d digits"):format(DIGITS) end
  if last:find "^0." and #first ~= #last then return nil, "has zeros in front of one number only" end
  local from, to = math.tointeger(tonumber(first)), math.tointeger(tonumber(last))
  if from > to then return nil, "goes down" end
  return from, to, first:find "^0" and #first or 1
end

-- What stands within brackets, as a list of { from, to, width }.
local function items_of(text)
  local items, count = {}, 0
  for item in (text .. ","):gmatch "([^,]*)," do
    local from, to, width = bounds(item)
    if not from then return nil, ("'%s' %s; write such as [01-20,25]"):format(item, to) end
    items[#items + 1], count = { from, to, width }, count + to - from + 1
  end
  items.count = count
  return items
end

-- A word as literal texts and what is between them: "web", items, "x", items, "".
local function parts_of(word)
  local parts, count, from = {}, 1, 1
  for before, inside, after in word:gmatch "([^%[]*)%[([^%]]*)%]()" do
    local items, complaint = items_of(inside)
    if not items then return nil, complaint end
    parts[#parts + 1], parts[#parts + 2], from = before, items, after
    count = count * items.count
    if count > ranges.MOST then return nil, ("means more than %d names"):format(ranges.MOST) end
  end
  parts[#parts + 1] = word:sub(from)
  return parts
end

local function add_names(list, parts, at, beginning)
  if at > #parts - 2 then
    list[#list + 1] = beginning .. parts[at]
    return
  end
  for _, item in ipairs(parts[at + 1]) do
    local form = beginning:gsub("%%", "%%%%") .. parts[at]:gsub("%%", "%%%%") .. "%0" .. item[3] .. "d"
    for number = item[1], item[2] do add_names(list, parts, at + 2, form:format(number)) end
  end
end

--- The names that a word means; nil and what is wrong.
function ranges.expand(word)
  if not word:find("[", 1, true) then return { word } end
  local parts, complaint = parts_of(word)
  if not parts then return nil, ("%s: %s"):format(word, complaint) end
  local list = {}
  add_names(list, parts, 1, "")
  return list
end

--- Those that all words of a text mean, each once; nil and what is wrong.
function ranges.names(text)
  local words, complaint = ranges.split(text)
  local list, known = {}, {}
  for _, word in ipairs(words or {}) do
    local names
    names, complaint = ranges.expand(word)
    for _, name in ipairs(names or {}) do
      if not known[name] then list[#list + 1], known[name] = name, true end
    end
    if #list > ranges.MOST then complaint = ("there are more than %d names"):format(ranges.MOST) end
    if complaint then break end
  end
  if complaint then return nil, complaint end
  return list
end

-- ---- from names to text ----

-- A name as texts and numbers, in turn: "web", "01", ".dc", "2", "". What
-- would not be read as a name stays whole.
local function tokens_of(name)
  if name:find "[%[%],%s%c]" then return { name } end
  local tokens, from = {}, 1
  for at, digits, after in name:gmatch "()(%d+)()" do
    if #digits <= DIGITS then
      tokens[#tokens + 1], tokens[#tokens + 2], from = name:sub(from, at - 1), digits, after
    end
  end
  tokens[#tokens + 1] = name:sub(from)
  return tokens
end

local function by_number(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end

local function is_next(last, digits, width)
  return ("%0" .. width .. "d"):format(math.tointeger(tonumber(last)) + 1) == digits
end

-- Numbers as text: "01-20,25", and whether that needs brackets.
local function compress(numbers)
  table.sort(numbers, by_number)
  local texts, at = {}, 1
  while numbers[at] do
    local first = numbers[at]
    local last, width = first, first:find "^0" and #first or 1
    while numbers[at + 1] and (numbers[at + 1] == last or is_next(last, numbers[at + 1], width)) do
      at = at + 1
      last = numbers[at]
    end
    texts[#texts + 1] = first == last and first or first .. "-" .. last
    at = at + 1
  end
  local text = table.concat(texts, ",")
  return text:find "%D" and "[" .. text .. "]" or text
end

-- All that two names must have in common so that their numbers can be a range;
-- those that have no number there must be the same.
local function key_of(tokens, at)
  if at < 1 then return "=" .. table.concat(tokens, "\0") end
  local number = tokens[at]
  tokens[at] = "["
  local key = table.concat(tokens, "\0")
  tokens[at] = number
  return key
end

-- Puts those together that differ in one number, the place-th from the end.
local function merge(names, place)
  local merged, groups = {}, {}
  for _, tokens in ipairs(names) do
    local at = #tokens + 1 - 2 * place
    local key = key_of(tokens, at)
    local group = groups[key]
    if not group then
      group = { tokens = tokens, at = at, numbers = {} }
      groups[key], merged[#merged + 1] = group, group
    end
    if at > 0 then group.numbers[#group.numbers + 1] = tokens[at] end
  end
  for i, group in ipairs(merged) do
    if group.at > 0 then group.tokens[group.at] = compress(group.numbers) end
    merged[i] = group.tokens
  end
  return merged
end

--- Names as compact text that means the same: "web[001-020,025],db01".
function ranges.fold(names)
  local list, places = {}, 0
  for i, name in ipairs(names) do
    list[i] = tokens_of(name)
    places = math.max(places, #list[i] // 2)
  end
  if places == 0 then list = merge(list, 1) end
  for place = 1, places do list = merge(list, place) end
  for i, tokens in ipairs(list) do list[i] = table.concat(tokens) end
  return table.concat(list, ",")
end

return ranges
