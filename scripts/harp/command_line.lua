--- The words of a command line, where argparse takes them otherwise than they
-- are meant. Negative numbers, such as "-5", it takes for options: a mark in
-- front of them, while it looks at them, keeps it from that.

local MARK = "\1"

local command_line = {}

--- Is there a --help? Also where other words are missing, which argparse would
-- see first.
function command_line.asks_for_help(list)
  for _, word in ipairs(list) do
    if word == "--" then return false end
    if word == "-h" or word == "--help" then return true end
  end
  return false
end

local function marked(list)
  local words = {}
  for i, word in ipairs(list) do words[i] = word:find "^%-%.?%d" and MARK .. word or word end
  return words
end

--- Such words as they were; also in tables of them.
function command_line.unmarked(v)
  if type(v) == "string" then return (v:gsub("^" .. MARK, "")) end
  if type(v) ~= "table" then return v end
  for key, item in pairs(v) do v[key] = command_line.unmarked(item) end
  return v
end

--- What argparse makes of words, which are marked still: true and the values, or
-- false and what is wrong, in one line.
function command_line.parse(parser, words)
  local well, given = parser:pparse(marked(words))
  if not well then given = given:gsub("\nDid you mean (.-)%?$", " (did you mean %1?)") end
  return well, given
end

return command_line
