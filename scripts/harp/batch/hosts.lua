--- Which hosts are meant. A selection is a text, or a list of them: words with
-- commas or blanks between, each of which adds hosts to those before it:
--
--     web01             a host, known to the dispatcher or not
--     web[01-20,25]     a range; zeros in front stay; several brackets may be
--     web*, web0?       those of the dispatcher that have such a name
--     all, *            all that the dispatcher knows
--     @web              a group of the configuration
--     @RUN:failed       hosts of an earlier run, by a word that its record
--                       knows (record.lua): ok, failed, not_reached, all …
--     ./hosts.txt       a file (a slash tells it): a selection in each line, and
--                       comments from # on
--     -                 the same, of standard input
--     !WORD             takes away what WORD means; at first, from all
--     &WORD             leaves only what WORD means
--
-- Behind ! and & a glob looks at the hosts that are there, and not at the
-- dispatcher's. What is wrong is a UsageError ("hosts").

local core = require "harp.core"
local outcomes = require "harp.batch.outcomes"
local ranges = require "harp.batch.ranges"

local hosts = {}

local function refuse(format, ...)
  error(core.error{ kind = "UsageError", type = "hosts", message = format:format(...) }, 0)
end

-- ---- a set that keeps its order ----

local Set = {}
Set.__index = Set

-- What was taken away leaves a hole (false). `is_fresh`: no word was seen yet.
local function new_set() return setmetatable({ names = {}, places = {}, count = 0, is_fresh = true }, Set) end

function Set:add(name)
  if self.places[name] then return end
  self.names[#self.names + 1] = name
  self.places[name], self.count = #self.names, self.count + 1
end

function Set:take_away(name)
  local place = self.places[name]
  if not place then return end
  self.names[place], self.places[name] = false, nil
  self.count = self.count - 1
end

function Set:list()
  local list = {}
  for _, name in ipairs(self.names) do list[#list + 1] = name or nil end
  return list
end

-- ---- what a word means ----

-- Each of these is given the context: what hosts.expand was given, the list of
-- the dispatcher once it was asked for, what was found empty, and `within`, the
-- groups and files that are being read.

local UNLISTED = "%s: this dispatcher cannot list its hosts (stock ones do not), so write names or ranges"

local function known(context, word)
  if not context.known then
    if not context.list then refuse(UNLISTED, word) end
    local well, list = pcall(context.list)
    if not well and core.is_error(list, "UsageError") and list.type == "unsupported" then refuse(UNLISTED, word) end
    if not well then error(list, 0) end
    context.known = list
  end
  return context.known
end

local SIGNS = { ["*"] = ".*", ["?"] = utf8.charpattern }

local function is_glob(word) return word == "all" or word:find "[*?]" ~= nil end

-- A pattern of Lua's, which has no zeros in it but those of a name.
local function pattern_of(glob)
  if glob == "all" then glob = "*" end
  return "^" .. glob:gsub("[%p]", function(sign) return SIGNS[sign] or "%" .. sign end) .. "$"
end

-- Adds those of a list that have such a name; did any?
local function add_matches(found, glob, list)
  local pattern, any = pattern_of(glob), false
  for _, name in ipairs(list) do
    if name:find(pattern) then
      found:add(name)
      any = true
    end
  end
  return any
end

-- `from`: the set that a glob looks at; nil: the names of the dispatcher.
local function add_names(found, context, word, from)
  local names, complaint = ranges.expand(word)
  if not names then refuse("%s", complaint) end
  if not is_glob(word) then
    for _, name in ipairs(names) do found:add(name) end
    return
  end
  local list, any = from and from:list() or known(context, word), false
  for _, glob in ipairs(names) do any = add_matches(found, glob, list) or any end
  if any then return end
  local what = from and "the hosts before it" or context.what
  if what then refuse("%s: none of %s has such a name", word, what) end
  if not list[1] then refuse("%s: the dispatcher knows no host", word) end
  refuse("%s: no host of the dispatcher has such a name; `harp hosts` lists them", word)
end

local select_into

-- Selects what stands behind a name that must not come again within itself.
local function nested(found, context, name, texts)
  local within = context.within
  for i, one in ipairs(within) do
    if one == name then refuse("%s is part of itself: %s", name, table.concat(within, " → ", i) .. " → " .. name) end
  end
  within[#within + 1] = name
  local inner = new_set()
  for _, text in ipairs(texts) do select_into(inner, context, text) end
  within[#within] = nil
  for _, one in ipairs(inner:list()) do found:add(one) end
end

local function names_of(groups)
  local names = {}
  for name in pairs(groups) do names[#names + 1] = "@" .. name end
  table.sort(names)
  return names[1] and "there are " .. table.concat(names, ", ") or "the configuration has none"
end

local function add_group(found, context, name)
  local selection = context.groups and context.groups[name]
  if selection == nil then
    refuse("there is no group @%s: %s; hosts of an earlier run are @RUN:failed", name, names_of(context.groups or {}))
  end
  nested(found, context, "@" .. name, type(selection) == "table" and selection or { selection })
  if found.count == 0 then context.empty = ("the group @%s has no host"):format(name) end
end

--- The hosts of a run that a word means; a UsageError for words that its record
-- does not know.
function hosts.of_run(record, word)
  local list = record:list(word)
  if list then return list end
  return refuse("'%s' means no hosts of a run: write all, failed, running, waiting, or one of %s",
    word, table.concat(outcomes.NAMES, ", "))
end

local function add_run(found, context, run, word)
  if not context.run then refuse("@%s:%s: there are no runs here", run, word) end
  local list = hosts.of_run(context.run(run), word)
  for _, name in ipairs(list) do found:add(name) end
  if not list[1] then context.empty = ("the run %s has no host that is %s"):format(run, word) end
end

local function lines_of(text)
  local lines = {}
  for line in text:gmatch "[^\r\n]+" do
    line = line:gsub("^%s*#.*", ""):gsub("%s#.*", "")
    if line:find "%S" then lines[#lines + 1] = line end
  end
  return lines
end

local function add_file(found, context, path)
  local file, reason = io.open(path)
  local text
  if file then
    text, reason = file:read "a"
    file:close()
    reason = reason and ("%s: %s"):format(path, reason)
  end
  if not text then refuse("cannot read hosts from %s", reason) end
  nested(found, context, path, lines_of(text))
  if found.count == 0 then context.empty = ("%s has no host in it"):format(path) end
end

local function add_input(found, context)
  if context.has_read then refuse "standard input can be read once" end
  context.has_read = true
  nested(found, context, "-", lines_of(io.read "a" or ""))
  if found.count == 0 then context.empty = "there was no host on standard input" end
end

local function add_word(found, context, word, from)
  local run, list = word:match "^@([^:]*):(.*)$"
  if run then return add_run(found, context, run, list) end
  if word:sub(1, 1) == "@" then return add_group(found, context, word:sub(2)) end
  if word == "-" then return add_input(found, context) end
  if word:find("/", 1, true) then return add_file(found, context, word) end
  add_names(found, context, word, from)
end

-- ---- selections ----

-- What ! and & do to a set, with what stands behind them.
local CHANGES = {
  ["!"] = function(set, found)
    for _, name in ipairs(found:list()) do set:take_away(name) end
  end,
  ["&"] = function(set, found)
    for _, name in ipairs(set:list()) do
      if not found.places[name] then set:take_away(name) end
    end
  end,
}

local function change(set, context, sign, word)
  if word == "" or CHANGES[word:sub(1, 1)] then refuse("%s must stand before a word: %s%s", sign, sign, word) end
  if set.is_fresh then
    for _, name in ipairs(known(context, sign .. word)) do set:add(name) end
  end
  local found = new_set()
  add_word(found, context, word, set)
  CHANGES[sign](set, found)
end

function select_into(set, context, text)
  local words, complaint = ranges.split(text)
  if not words then refuse("%s", complaint) end
  for _, word in ipairs(words) do
    local sign = word:sub(1, 1)
    if CHANGES[sign] then change(set, context, sign, word:sub(2)) else add_word(set, context, word) end
    set.is_fresh = false
    if set.count > ranges.MOST then refuse("there are more than %d hosts", ranges.MOST) end
  end
end

local Names = {}

--- Marks a list of names as what it is: hosts.expand takes them as they are,
-- whatever is in them.
function hosts.names(list) return setmetatable(list, Names) end

local function select_all(set, context, selection)
  if type(selection) == "string" then return select_into(set, context, selection) end
  if type(selection) ~= "table" then refuse("a selection of hosts is a text or a list, not a %s", type(selection)) end
  for _, item in ipairs(selection) do
    if getmetatable(selection) == Names then set:add(item) else select_all(set, context, item) end
  end
end

--- The hosts of a selection, each once, in the order in which they are named.
-- options: `list`, a function that returns the names that the dispatcher knows,
-- or raises a UsageError ("unsupported"); `what`, what those are where they are
-- others, for messages: "the batch's hosts"; `groups`, selections by name; `run`,
-- a function that finds an earlier run's record.
function hosts.expand(selection, options)
  local context = { within = {} }
  for name, v in pairs(options or {}) do context[name] = v end
  local set = new_set()
  select_all(set, context, selection)
  if set.count > 0 then return set:list() end
  return refuse("no host is meant%s", context.empty and ": " .. context.empty or "")
end

--- Names as compact text for people: "web[001-020,025],db01".
function hosts.fold(names) return ranges.fold(names) end

return hosts
