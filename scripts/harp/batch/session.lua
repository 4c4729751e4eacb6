--- Which run is meant: a new one, or one that was left. The batches of one
-- execution of a recipe are a session, named by its first run; a recipe that
-- goes on finds each batch of the session again by its name, by where it is begun and
-- by its hosts.

local core = require "harp.core"
local journal = require "harp.batch.journal"
local settings = require "harp.settings"

local session = {}

local id                        -- of this process; nil before its first batch
local taken = {}                -- runs that this process has, or had
local others                    -- records of the session that was taken up
local asked                     -- the run that was to be taken up

-- ---- what is run ----

local command                   -- the words of a harp command that is a batch of its own

--- This process is `harp NAME WORD…`, and not a recipe.
function session.set_command(name, words) command = { command = name, arguments = core.array(words) } end

-- How to run it again; {} for what cannot be, which words that are no UTF-8 are,
-- too: no event can have them.
local function program()
  local script = not command and arg and arg[0] and core.absolute_path(arg[0])
  if not command and not script then return {} end
  local what = command or { script = script, arguments = core.array(table.move(arg, 1, #arg, 1, {})) }
  return pcall(core.encode, what) and what or {}
end

--- The name of a run that has none, after a text.
function session.name_of(text) return journal.is_name(text) and text or "batch" end

--- The same for a recipe: its script's.
function session.default_name()
  return session.name_of((arg and arg[0] or ""):match "[^/]*$":gsub("%.lua$", ""))
end

-- ---- taking up ----

local function is_unfinished(record) return not record.finished end

--- Takes up the session of a run, by its id or its name.
function session.resume(word)
  local record = journal.find(word)
  id, others, asked = record.session, journal.session(record.session), record.run
  return record
end

--- The same by the program's words: { "script", path, argument… } or {
-- "command", name, argument… }.
function session.words(word)
  local what = session.resume(word).program or {}
  if what.command then return { "command", what.command, "--resume", word, table.unpack(what.arguments) } end
  if what.script then return { "script", what.script, table.unpack(what.arguments) } end
  error(core.error{
    kind = "UsageError", type = "no_program",
    message = ("%s was run by no file: run it again with the same name"):format(word),
  }, 0)
end

-- Lists of texts, or programs, that are the same.
local function is_same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, v in pairs(a) do
    if not is_same(v, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

-- The first run of the session that was taken up that is_it(record), among those
-- that can be that batch.
local function first_of(given, is_it)
  for _, record in ipairs(others or {}) do
    local can_be = record.name == given.name and record.place == given.place and not taken[record.run]
    if can_be and is_it(record) then return record end
  end
end

-- The one that is the same batch: what was asked for as hosts was written in the
-- same way, or means the same.
local function next_of(given, hosts)
  return first_of(given, function(record) return record.selection == given.selection end)
    or first_of(given, function(record) return is_same(record.hosts, hosts()) end)
end

-- A recipe that has none of the batches of the run that was asked for, or that one
-- over other hosts, would do all of it again.
local function check_asked(given)
  if not asked or taken[asked] then return end
  if next(taken) and not first_of(given, function(record) return record.run == asked end) then return end
  error(core.error{
    kind = "UsageError", type = "resume",
    message = ("%s cannot be taken up: the batch %s, over these hosts, is none of that session"):format(
      asked, given.name),
  }, 0)
end

-- The latest run of a name. With other arguments, or over other hosts, another one
-- is meant.
local function latest_of(name, hosts)
  local list, what = journal.named(name), program()
  for i = #list, 1, -1 do
    if is_same(list[i].program, what) and is_same(list[i].hosts, hosts) then return list[i] end
  end
end

-- Its session, where any of its runs was left.
local function find_left(name, hosts)
  local latest = latest_of(name, hosts)
  if not latest or journal.is_running(latest.run) then return end
  local list = journal.session(latest.session)
  for _, record in ipairs(list) do
    if is_unfinished(record) then
      id, others = latest.session, list
      return
    end
  end
end

--- The record of the run that a batch goes on with; nil for a new one. Of the
-- batch's fields: name, selection (a digest of what was asked for as hosts), place
-- (harp.batch.turn), and resume; `hosts()` is what the selection means.
function session.find(given, hosts)
  if not id and given.resume ~= false then find_left(given.name, hosts()) end
  local found = next_of(given, hosts)
  if not found then check_asked(given) end
  return found
end

--- This process has left a run; the same batch goes on with it.
function session.leave(record)
  taken[record.run] = nil
  others = others or {}
  for i, other in ipairs(others) do
    if other.run == record.run then table.remove(others, i) break end
  end
  others[#others + 1] = record
end

--- Is there something left to do of a run of the session? Of one that is over,
-- when it was asked for and was stopped before its end.
function session.goes_on(record)
  taken[record.run] = true
  return is_unfinished(record) or record.run == asked and record.counts.not_reached ~= nil
    and record.counts.not_reached > 0
end

-- Old runs, when a process begins its first one.
local function forget_old()
  local seconds = not id and settings.keep_runs()
  if seconds then journal.forget(seconds) end
end

--- Opens the journal of a run to go on with, or of a new one of that name.
function session.open(name, record)
  forget_old()
  local run = record and record.run or journal.new_id(name)
  local writer = journal.open(run)
  taken[run], id = true, id or run
  return writer, run
end

--- What the first event of a run says of the session.
function session.about() return { session = id, program = program() } end

return session
