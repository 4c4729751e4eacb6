--- The words of Lua source, as far as a prompt has to know them: names,
-- keywords, and where statements of the chunk itself, not of a block in it,
-- begin.

local tokens = {}

local KEYWORDS = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true
  until while]]):gmatch "%a+" do
  KEYWORDS[word] = true
end

--- The keywords, a set.
tokens.KEYWORDS = KEYWORDS

-- Where a long bracket at `at` ends, if there is one; the end of the text for
-- one that has none.
local function long_bracket(text, at)
  local equals = text:match("^%[(=*)%[", at)
  if not equals then return nil end
  local _, last = text:find("]" .. equals .. "]", at + #equals + 2, true)
  return last or #text
end

local function quoted(text, at)
  local quote, i = text:sub(at, at), at + 1
  while i <= #text do
    local c = text:sub(i, i)
    if c == quote then return i end
    i = i + (c == "\\" and 2 or 1)
  end
  return #text
end

-- Where what is at `at` ends, and what it is: "name", "string", "comment",
-- "number" or "symbol".
local function token_at(text, at)
  if text:find("^%-%-", at) then
    return long_bracket(text, at + 2) or (text:find("\n", at, true) or #text + 1) - 1, "comment"
  end
  local _, last = text:find("^[%a_][%w_]*", at)
  if last then return last, "name" end
  last = select(2, text:find("^%d[%w.]*", at))
  if last then return last, "number" end
  last = long_bracket(text, at)
  if last then return last, "string" end
  if text:find("^[\"']", at) then return quoted(text, at), "string" end
  return at, "symbol"
end

--- An iterator over the tokens: where it begins, where it ends, what it is,
-- its text. Spaces and comments are left out.
function tokens.each(text)
  local at = 1
  return function()
    while true do
      at = text:find("%S", at)
      if not at then return nil end
      local first, last, kind = at, token_at(text, at)
      at = last + 1
      if kind ~= "comment" then return first, last, kind, text:sub(first, last) end
    end
  end
end

local OPENS = { ["do"] = 1, ["function"] = 1, ["if"] = 1, ["repeat"] = 1, ["end"] = -1, ["until"] = -1 }

-- Adds the names that the local statement whose first word behind "local" is
-- at `i` declares; returns where the list goes on.
local function add_locals(words, i, names)
  if words[i] and words[i].text == "function" then
    names[#names + 1] = words[i + 1] and words[i + 1].text
    return i
  end
  while words[i] and words[i].kind == "name" do
    names[#names + 1] = words[i].text
    i = i + 1
    if words[i] and words[i].text == "<" then i = i + 3 end
    if not words[i] or words[i].text ~= "," then break end
    i = i + 1
  end
  return i
end

--- What a chunk, which must compile, declares and uses: { locals = names of its
-- own local variables, in order; used = set of names that occur;
-- return_at = where its own return statement begins, or nil }.
function tokens.survey(text)
  local words, result = {}, { locals = {}, used = {} }
  for first, _, kind, word in tokens.each(text) do
    words[#words + 1] = { first = first, kind = kind, text = word }
    if kind == "name" and not KEYWORDS[word] then result.used[word] = true end
  end
  local depth, i = 0, 1
  while words[i] do
    local word = words[i].kind == "name" and words[i].text
    i = i + 1
    depth = depth + (OPENS[word] or 0)
    if depth == 0 and word == "local" then
      i = add_locals(words, i, result.locals)
    elseif depth == 0 and word == "return" then
      result.return_at = words[i - 1].first
    end
  end
  return result
end

return tokens
