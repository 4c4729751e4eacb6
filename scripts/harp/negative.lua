--- Negative numbers for argparse, which takes "-5" for an option: a mark in
-- front of them, while it looks at them, keeps it from that.

local MARK = "\1"

local negative = {}

local function marked(words)
  local list = {}
  for i, word in ipairs(words) do list[i] = word:find "^%-%.?%d" and MARK .. word or word end
  return list
end

--- Such words as they were; also in tables of them.
function negative.unmarked(v)
  if type(v) == "string" then return (v:gsub("^" .. MARK, "")) end
  if type(v) ~= "table" then return v end
  for key, item in pairs(v) do v[key] = negative.unmarked(item) end
  return v
end

--- What argparse makes of words, which are marked still: true and the values, or
-- false and what is wrong, in one line.
function negative.parse(parser, words)
  local well, given = parser:pparse(marked(words))
  if not well then given = given:gsub("\nDid you mean (.-)%?$", " (did you mean %1?)") end
  return well, given
end

return negative
