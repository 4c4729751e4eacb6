--- harp complete: the words that can stand at the end of a command line, for
-- the shells' scripts (harp completion). It prints a line for each,
-- "word<TAB>what it is", and for what the shell itself knows:
--
--     :files, :directories    names of files can stand there
--     :open                   the word goes on: no space behind it

local main = require "harp.cli.main"
local parts = require "harp.cli.parts"

-- ---- what stands before the last word ----

local function find_option(list, word)
  for _, option in ipairs(list.options) do
    for _, name in ipairs(option.names) do
      if name == word then return option end
    end
  end
end

local function find_action(list, word)
  for _, action in ipairs(list.actions) do
    if action.name == word then return action end
  end
end

local Line = {}
Line.__index = Line

-- The argument that the next word is.
function Line:argument()
  local at = self.count
  for _, argument in ipairs(self.parts.arguments) do
    at = at - argument.most
    if at < 0 then return argument end
  end
end

-- What follows a script is its own.
function Line:is_open() return not (self.name == "run" and self.count > 0) end

function Line:take_option(word)
  local name, value = word:match "^(%-%-[^=]*)=(.*)$"
  local option = find_option(self.parts, name or word)
  if not option then return end
  self.waiting = not value and option.least > 0 and { option = option, left = option.least } or nil
  if value then self:take_value(option, value) end
end

function Line:take_value(option, word)
  self.values[option.names[#option.names]] = word
  local waiting = self.waiting
  if not waiting then return end
  waiting.left = waiting.left - 1
  if waiting.left == 0 then self.waiting = nil end
end

function Line:take_argument(word)
  local action = self.count == 0 and find_action(self.parts, word)
  if action then
    table.move(self.parts.options, 1, #self.parts.options, #action.parts.options + 1, action.parts.options)
    self.parts = action.parts
    return
  end
  local argument = self:argument()
  if argument and argument.kind == "host" and not self.host then self.host = word:match "^[^,]*" end
  if argument and argument.kind == "selection" then self.selection = word end
  if argument and argument.kind == "procedure" then self.procedure = word end
  self.count = self.count + 1
end

function Line:take(word)
  if self.waiting then
    if word ~= "=" then self:take_value(self.waiting.option, word) end     -- bash makes three words of --a=b
  elseif word == "--" and not self.ended then
    self.ended = true
  elseif word:find "^%-." and not self.ended and self:is_open() then
    self:take_option(word)
  else
    self:take_argument(word)
  end
end

-- ---- what can stand there ----

local function choices(list)
  local words = {}
  for i, word in ipairs(list) do words[i] = { word, "" } end
  return words
end

local function commands()
  local words = {}
  for i, name in ipairs(require "harp.cli.article".commands()) do words[i] = { name, main.command(name).purpose } end
  return words
end

local function options(list)
  local words = {}
  for i, option in ipairs(list) do words[i] = { option.names[#option.names], option.text } end
  return words
end

local function known_hosts(line) return require "harp.cli.known".hosts(line.values["--caller"]) end

-- The first host of the selection that stands before.
local function first_selected(line)
  local function list()
    local names = {}
    for i, host in ipairs(known_hosts(line)) do names[i] = host[1] end
    return names
  end
  local well, names = pcall(function() return require "harp.batch.select"(line.selection, list) end)
  return well and names[1] or nil
end

local function procedures(line)
  local host = line.host or line.values["--host"] or line.selection and first_selected(line)
  return host and require "harp.cli.known".procedures(line.values["--caller"], host) or {}
end

-- Names that the configuration has in a setting, where it is well.
local function configured(setting)
  local well, all = pcall(require "harp.settings".all)
  local names = {}
  for name in pairs(well and all[setting] or {}) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function callers()
  local words = configured "callers"
  for i, name in ipairs(words) do words[i] = { name } end
  return words
end

-- Hosts, groups, and what failed in earlier runs. Which of these is meant the
-- first letter tells.
local function selections(line)
  local words = {}
  if not line.is_reference then return known_hosts(line) end
  for _, name in ipairs(configured "groups") do words[#words + 1] = { "@" .. name, "" } end
  for _, run in ipairs(require "harp.cli.known".runs()) do
    words[#words + 1] = { ("@%s:failed"):format(run[1]), run[2] }
  end
  return words
end

-- Each of them: function(line) → words, each { word, what it is }.
local BY_KIND = {
  host = known_hosts, selection = selections,
  run = function() return require "harp.cli.known".runs() end,
  job = function(line) return require "harp.cli.known".jobs(line.values["--caller"]) end,
  command = commands, caller = callers,
  file = function() return { { ":files" } } end,
  directory = function() return { { ":directories" } } end,
  procedure = function(line)
    local words = {}
    for i, procedure in ipairs(procedures(line)) do
      words[i] = { procedure.name, procedure.doc or table.concat(procedure.params, ", ") }
    end
    return words
  end,
  argument = function(line)             -- those that a procedure names
    if line.name == "run" then return { { ":files" } } end
    local words = {}
    for _, procedure in ipairs(line.procedure and procedures(line) or {}) do
      if procedure.name == line.procedure then
        for i, name in ipairs(procedure.params) do words[i] = { name .. "=" } end
      end
    end
    if words[1] then words[#words + 1] = { ":open" } end
    return words
  end,
}

local function of_element(line, element)
  if not element then return {} end
  if element.choices then return choices(element.choices) end
  local by = BY_KIND[element.kind]
  return by and by(line) or {}
end

-- What of a word stays as it is, being a list: "web01,", and of a selection
-- "web*,!", too.
local LISTS = { host = "^.*,", selection = "^.*[,!&]" }

-- Words for what an element has so far, and what of it they do not replace.
local function words_of(line, element, last)
  local list = element and LISTS[element.kind]
  local before = list and last:match(list) or ""
  last = last:sub(#before + 1)
  line.is_reference = last:sub(1, 1) == "@"
  return of_element(line, element), before, last
end

-- The same for the last word of the line; "--caller=" stays as well.
local function words_for(line, last)
  if line.waiting then return words_of(line, line.waiting.option, last == "=" and "" or last) end
  if line:is_open() and not line.ended then
    local name, value = last:match "^(%-%-[^=]*=)(.*)$"
    if name then
      local words, before, rest = words_of(line, find_option(line.parts, name:sub(1, -2)), value)
      return words, name .. before, rest
    end
    if last:find "^%-" then return options(line.parts.options), "", last end
  end
  local list = {}
  if line.count == 0 then
    for i, action in ipairs(line.parts.actions) do list[i] = { action.name, action.text } end
  end
  local words, before, rest = words_of(line, line:argument(), last)
  table.move(words, 1, #words, #list + 1, list)
  return list, before, rest
end

local function print_words(words, before, last)
  for _, word in ipairs(words) do
    local is_word = word[1]:sub(1, 1) ~= ":"
    if not is_word then
      print(word[1])
    elseif word[1]:sub(1, #last) == last then
      print(("%s%s\t%s"):format(before, word[1], (word[2] or ""):match "^[^\n]*"))
    end
  end
end

local function is_command(word)
  for _, name in ipairs(require "harp.cli.names") do
    if name == word then return true end
  end
end

return {
  hidden = true,
  synopsis = "-- WORD…",
  purpose = "the words that can stand at the end of a command line",
  define = function(parser) parser:argument "words":args "+" end,
  run = function(given)
    local words = given.words
    local last = table.remove(words)
    if #words == 0 and not last:find "^%-" then
      print_words(commands(), "", last)
      return print_words(BY_KIND.file(), "", last)
    end
    local name = is_command(words[1]) and table.remove(words, 1) or "run"
    local line = setmetatable({ name = name, parts = parts.of(name), count = 0, values = {} }, Line)
    for _, word in ipairs(words) do line:take(word) end
    print_words(words_for(line, last))
  end,
}
