--- Help for the terminal, as wide as that is.

local outcome = require "harp.outcome"
local output = require "harp.cli.output"

local page = {}

local WIDEST, TERM = 100, 26        -- wider lines are hard to read; the column of what terms mean

--- Columns: the terminal's, else $COLUMNS, else 80; within what reads well.
function page.width()
  local columns = output.size()
  return math.max(40, math.min(columns, WIDEST))
end

--- A text in lines of at most `width`, all but the first after `indent` spaces
-- (default 0); `at` is where the first begins (default the same).
function page.wrap(text, width, indent, at)
  indent = indent or 0
  local lines, column = { {} }, at or indent
  for word in text:gmatch "%S+" do
    local length = utf8.len(word) or #word
    if column + length > width and #lines[#lines] > 0 then
      lines[#lines + 1], column = {}, indent
    end
    table.insert(lines[#lines], word)
    column = column + length + 1
  end
  for i, words in ipairs(lines) do lines[i] = table.concat(words, " ") end
  return table.concat(lines, "\n" .. (" "):rep(indent))
end

-- A term and its meaning, beside it where that has room.
local function entry(term, text, width, column)
  local length = utf8.len(term) or #term
  if text == "" then return "  " .. page.wrap(term, width, 6, 2) end
  local meaning = page.wrap(text, width, column)
  if length + 4 <= column then return "  " .. term .. (" "):rep(column - length - 2) .. meaning end
  return "  " .. page.wrap(term, width, 6, 2) .. "\n" .. (" "):rep(column) .. meaning
end

-- As narrow as its terms allow.
local function column_of(section)
  local longest = 0
  for _, block in ipairs(section) do
    if block.term then longest = math.max(longest, utf8.len(block.term) or #block.term) end
  end
  return math.min(longest + 4, TERM)
end

local function indented(lines)
  local list = {}
  for i, line in ipairs(lines) do list[i] = line == "" and "" or "  " .. line end
  return table.concat(list, "\n")
end

local function block_text(block, width, column)
  if block.term then return entry(block.term, block.text, width, column) end
  if block.example then
    return "  " .. block.example .. "\n      " .. page.wrap(block.text, width, 6)
  end
  return block.lines and indented(block.lines) or page.wrap(block.text, width)
end

local function section_text(section, width)
  local blocks, column = {}, column_of(section)
  for i = 2, #section do blocks[i - 1] = block_text(section[i], width, column) end
  if section[1] == "Description" then return table.concat(blocks, "\n\n") end
  return section[1] .. ":\n" .. table.concat(blocks, "\n")
end

-- The manual has these; of exit statuses --help has the short names.
local LEFT_OUT = { Environment = true, Files = true, ["See also"] = true, ["Exit status"] = true }

-- From 0 to `last`.
local function names_of_statuses(last, width)
  local list = {}
  for code = 0, last do list[code + 1] = ("%d %s"):format(code, outcome.NAMES[code]) end
  return page.wrap(("Exit status: %s."):format(table.concat(list, ", ")), width)
end

-- A command's own words, or the names.
local function statuses(section, width)
  if section[2].term then return names_of_statuses(#section - 2, width) end
  return page.wrap(section[2].text, width)
end

--- What `harp NAME --help` says.
function page.of(name)
  local width = page.width()
  local about = require "harp.cli.article".of(name, width)
  local purpose = about.purpose:gsub("^%l", string.upper) .. "."
  local texts = { "Usage: " .. about.usage, page.wrap(purpose, width) }
  for _, section in ipairs(about.sections) do
    if not LEFT_OUT[section[1]] then texts[#texts + 1] = section_text(section, width) end
    if section[1] == "Exit status" then texts[#texts + 1] = statuses(section, width) end
  end
  return table.concat(texts, "\n\n")
end

local function list(title, entries, width)
  local longest, lines = 0, { title .. ":" }
  for _, item in ipairs(entries) do longest = math.max(longest, #item[1]) end
  for _, item in ipairs(entries) do lines[#lines + 1] = entry(item[1], item[2], width, longest + 4) end
  return table.concat(lines, "\n")
end

--- What `harp help` says.
function page.of_harp()
  local article, main = require "harp.cli.article", require "harp.cli.main"
  local width, there, first = page.width(), {}, {}
  local texts = { "harp: remote calls you can script", "Usage: " .. article.USAGE:gsub("\n", "\n       ") }
  for _, name in ipairs(article.commands()) do there[name] = true end
  for _, item in ipairs(article.FIRST) do
    if there[item.needs] then first[#first + 1] = item end
  end
  if first[1] then texts[#texts + 1] = list("Try first", first, width) end
  for _, group in ipairs(article.groups()) do
    local entries = {}
    for i = 2, #group do entries[i - 1] = { group[i], main.command(group[i]).purpose } end
    texts[#texts + 1] = list(group[1], entries, width)
  end
  texts[#texts + 1] = names_of_statuses(#outcome.NAMES, width)
  texts[#texts + 1] = page.wrap("`harp help COMMAND` says all about one, with examples; `man harp-COMMAND`, once harp "
    .. "is installed, has the same and more.", width)
  return table.concat(texts, "\n\n")
end

return page
