--- The journals of runs: $XDG_STATE_HOME/harp/runs/RUN.jsonl, a line of JSON
-- for each event (record.lua has them). They are for their owner alone: what
-- procedures returned is in them.
--
-- A run's id is its name and six random letters: "restart-nginx-k3f9qa". One
-- process has it at a time, which writes; anybody may read.

local core = require "harp.core"
local new_record = require "harp.batch.record"
local printable = require "harp.printable"
local random = require "harp.batch.random"

local journal = {}

local FORMAT = 2                -- of the events
local SUFFIX = ".jsonl"
local EAGAIN, ENOENT = 11, 2
local IS_FULL = { [28] = true, [122] = true }   -- ENOSPC, EDQUOT
local FORGET = "`resume = false` or --new begins anew, `harp runs remove` forgets it"
local LONGEST_END = 1000        -- bytes of a last line
local LETTERS, LENGTH = "abcdefghijkmnpqrstuvwxyz23456789", 6

local function fail(type, text, ...)
  error(core.error{ kind = "UsageError", type = type, message = text:format(...) }, 0)
end

local function directory()
  local path = core.state_path "runs"
  return path or fail("no_home", "there is no home directory for the journals of runs: set XDG_STATE_HOME")
end

--- The file of a run.
function journal.path(run) return ("%s/%s%s"):format(directory(), run, SUFFIX) end

-- ---- names ----

--- Is a text good for the name of a run?
function journal.is_name(text)
  return type(text) == "string" and #text <= 100 and text:find "^[%w_][%w_.-]*$" ~= nil
end

--- A new id for a run of that name.
function journal.new_id(name)
  local letters = random.bytes(LENGTH):gsub(".", function(byte)
    local at = byte:byte() % #LETTERS + 1
    return LETTERS:sub(at, at)
  end)
  return name .. "-" .. letters
end

-- ---- reading ----

local Reader = {}
Reader.__index = Reader

--- Takes the events that have come since the last time: a list. A line that is
-- not whole yet is left for later.
function Reader:take()
  local events = {}
  for line in self.file:lines "L" do
    if line:sub(-1) ~= "\n" then
      self.file:seek("cur", -#line)
      break
    end
    local well, event = pcall(core.decode, line)
    if not well or type(event) ~= "table" then
      fail("journal", "%s has a line that is no event (%s): what its run did cannot be known; %s", self.path,
        printable(line:sub(1, 20)), FORGET)
    end
    events[#events + 1] = event
  end
  self.file:seek("cur", 0)      -- an end that was seen is forgotten
  return events
end

--- The events of a run, as a reader that can be asked again while it goes on.
function journal.reader(run)
  local path = journal.path(run)
  local file, reason, number = io.open(path)
  if not file and number == ENOENT then fail("no_run", "there is no run %s; `harp runs` lists them", run) end
  if not file then fail("journal", "cannot read the journal of a run: %s", reason) end
  return setmetatable({ file = file, path = path }, Reader)
end

function Reader:close() self.file:close() end
Reader.__close = Reader.close

--- A run's record, as far as its journal goes; nil where that has no line yet.
function journal.read(run)
  local reader <close> = journal.reader(run)
  local record = new_record()
  local events = reader:take()
  if not events[1] then return nil end
  if events[1].event ~= "run" or events[1].format ~= FORMAT then
    fail("journal", "%s is not the journal of a run, or that of another version of harp; %s", reader.path, FORGET)
  end
  for _, event in ipairs(events) do record:apply(event) end
  return record
end

--- Does some process have it?
function journal.is_running(run) return core.is_held(journal.path(run)) end

-- ---- all of them ----

--- The ids of all runs.
function journal.list()
  local names, reason, number = core.list_directory(directory())
  if not names and number ~= ENOENT then fail("journal", "cannot list the runs: %s", reason) end
  local list = {}
  for _, name in ipairs(names or {}) do
    if name:sub(-#SUFFIX) == SUFFIX then list[#list + 1] = name:sub(1, -#SUFFIX - 1) end
  end
  return list
end

-- A file without a whole line is no run: its process is about to write the first
-- one, or died before that.
local function has_begun(run)
  local file <close> = io.open(journal.path(run))
  local line = file and file:read "L"
  return line ~= nil and line:sub(-1) == "\n"
end

-- Of one that is empty, or damaged, nothing is known.
local function try_to_read(run)
  local well, record = pcall(journal.read, run)
  return well and record or nil
end

--- The first event of each run, or of those whose id is_meant(id), the oldest
-- first: there can be many journals, and long ones.
function journal.beginnings(is_meant)
  local list = {}
  for _, run in ipairs(journal.list()) do
    local file <close> = (not is_meant or is_meant(run)) and io.open(journal.path(run)) or nil
    local well, event = pcall(core.decode, file and file:read "l" or "")
    if well and type(event) == "table" and event.event == "run" and type(event.time) == "number" then
      list[#list + 1] = event
    end
  end
  table.sort(list, function(a, b) return a.time < b.time end)
  return list
end

--- The same of those of a name.
function journal.named(name)
  return journal.beginnings(function(run) return run:sub(1, -LENGTH - 2) == name end)
end

--- The latest run of a name, as a record; nil when there is none.
function journal.latest(name)
  local list = journal.named(name)
  for i = #list, 1, -1 do
    local record = try_to_read(list[i].run)
    if record then return record end
  end
end

-- Is the last line of a journal that cannot be read the end of its run?
local function is_finished(run)
  local file <close> = io.open(journal.path(run))
  if not file then return false end
  file:seek("end", -math.min(file:seek "end", LONGEST_END))
  local well, event = pcall(core.decode, file:read "a":match "([^\n]*)\n$")
  return well and type(event) == "table" and event.event == "finish"
end

--- The runs of a session, the first one first: records. One that is damaged, or
-- of another version, is an error unless it is over: what it did is not to be done
-- again.
function journal.session(session)
  local list = {}
  for _, event in ipairs(journal.beginnings()) do
    if event.session == session then
      local record = try_to_read(event.run)
      if not record and not is_finished(event.run) then record = journal.read(event.run) end
      list[#list + 1] = record
    end
  end
  return list
end

--- The record of the run that a word means: its id, the beginning of no other
-- id, or a name, which means the latest of that name.
function journal.find(word)
  local list = {}
  for _, run in ipairs(journal.list()) do
    if run:sub(1, #word) == word and has_begun(run) then
      if run == word then return journal.read(run) end
      list[#list + 1] = run
    end
  end
  local latest = journal.latest(word)
  if latest then return latest end
  if list[2] then
    fail("no_run", "%s can be %s: write more of it", word, table.concat(list, ", ", 1, math.min(#list, 5)))
  end
  if not list[1] then fail("no_run", "there is no run %s; `harp runs` lists them", word) end
  return journal.read(list[1])
end

--- Forgets a run. One that some process has is left alone: false.
function journal.remove(run)
  local path = journal.path(run)
  local file, reason, number = core.journal(path)       -- nobody goes on with it meanwhile
  if not file and number == EAGAIN then return false end
  local well = file and os.remove(path)
  if file then file:close() end
  if not well then fail("journal", "cannot remove the journal of a run: %s", reason or path) end
  return true
end

--- Removes the files that are no runs, and that no process has.
function journal.sweep()
  for _, run in ipairs(journal.list()) do
    local file <close> = not has_begun(run) and core.journal(journal.path(run)) or nil
    if file and not has_begun(run) then os.remove(journal.path(run)) end
  end
end

-- Those of these runs, a set of ids, that are of a session in which one is not
-- over: a set. They are not to be forgotten: the recipe would run them again.
local function left_of(runs)
  local sessions, left = {}, {}
  for _, event in ipairs(journal.beginnings()) do
    local session = event.session or event.run
    sessions[session] = sessions[session] or {}
    table.insert(sessions[session], event.run)
  end
  for _, members in pairs(sessions) do
    local is_asked, is_left = false, false
    for _, run in ipairs(members) do is_asked = is_asked or runs[run] end
    for _, run in ipairs(is_asked and members or {}) do
      local record = try_to_read(run)
      is_left = is_left or record ~= nil and not record.finished
    end
    for _, run in ipairs(is_left and members or {}) do left[run] = true end
  end
  return left
end

--- Forgets the runs that ended more than so many seconds ago, and what cannot be
-- read: their files were not written since. What cannot be removed stays.
function journal.forget(seconds)
  local before, old = os.time() - seconds, {}
  for _, run in ipairs(journal.list()) do
    local status = core.file_status(journal.path(run))
    if status and status.time < before then old[run] = true end
  end
  if not next(old) then return end
  local left = left_of(old)
  for run in pairs(old) do
    local record = try_to_read(run)
    local is_over = not record or record.finished and not left[run]
    if is_over then pcall(journal.remove, run) end
  end
end

-- ---- writing ----

--- A text for an event, which is JSON: of one that is no UTF-8 the bytes are shown.
function journal.text(text)
  if utf8.len(text) then return text end
  return (text:gsub("[\x80-\xff]", function(byte) return ("\\x%02x"):format(byte:byte()) end))
end

local Writer = {}
Writer.__index = Writer

--- The one writer of a run; its record is as the journal leaves it, an empty
-- one at first.
function journal.open(run)
  local path = journal.path(run)
  local file, reason, number = core.journal(path)
  if not file and number == EAGAIN then
    fail("running", "another process runs %s; `harp attach %s` shows it", run, run)
  end
  if not file then fail("journal", "cannot open the journal of a run: %s", reason) end
  return setmetatable({ file = file, path = path, record = journal.read(run) or new_record() }, Writer)
end

-- What could not be written is missing from then on: also when there is space
-- again, nothing may be done that follows it.
local function check(self, well, reason, number)
  if not well and not self.failure then
    self.failure = reason .. (IS_FULL[number] and "; make room there before it goes on" or "")
  end
  if self.failure then
    fail("journal", "the journal cannot be written, so nothing more is done: %s", self.failure)
  end
end

--- Adds an event, which has no `time` yet, to the journal and to the record.
function Writer:add(event)
  event.time = core.time()
  if event.event == "run" then event.format = FORMAT end
  check(self, true)
  check(self, self.file:append(core.encode(event) .. "\n"))
  self.record:apply(event)
end

--- Waits until all that was added would survive the machine.
function Writer:sync() check(self, self.file:sync()) end

--- One that has no run yet is none.
function Writer:close()
  if not self.record.run then os.remove(self.path) end
  self.file:close()
end
Writer.__close = Writer.close

return journal
