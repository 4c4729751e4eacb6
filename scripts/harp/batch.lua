--- One recipe over many hosts: in waves, so many at once, with a journal from
-- which another process can go on.
--
--     local batch = require "harp.batch"
--     local run = batch.run{
--       name = "restart-nginx", hosts = "web[01-20]",
--       step = function(host) return host.restart_nginx() end,
--       serial = { 1, "10%", "100%" }, max_fail = "5%",
--     }
--
-- Fields of batch.run:
--
--     hosts        a selection (harp.batch.hosts), a list of them, or a function
--                  of the caller that returns one
--     step         function(host, name): what is done to each. The host's calls
--                  are those of a harp host. It returns a job, which is waited
--                  for and whose packets are shown, or any value; what it raises
--                  is the host's outcome (harp.batch.outcomes)
--     name         of the run (default: the script's). One of that name that was
--                  left, with the same arguments of the script and over the same
--                  hosts, is taken up, unless resume = false
--     caller       a harp.caller; default harp.caller()
--     limit        a selection: of the hosts only these
--     concurrency  how many hosts at once; default 50
--     serial       the waves: numbers of hosts or shares of them, the last one
--                  again and again; default one wave
--     max_fail     no further wave after one with more failures: a number, or a
--                  share of the wave
--     on_fail      "batch": no further host after the first failure; default "host"
--     retries      how many more attempts a host has that failed, or { number,
--                  backoff = seconds (1) }: the pause before the first, doubled
--                  each time, less up to a half at random. Never for one whose
--                  outcome is unknown, or that was cancelled
--     timeout      seconds that each call may run
--     queue        of each call: a table, a function of the host's name, or false;
--                  default one of each host, so that batches do not meet there
--     after_wave   function({ number, of, hosts, failed }, run), after each wave:
--                  what it raises, or false, stops the run; it is called again for
--                  that wave when the run is taken up
--     dry_run      true: the steps run, their calls are only said; a step that
--                  needs a result ends there
--     show         what is seen: "auto" (a terminal is drawn on, else "lines"),
--                  "lines", "jsonl" (each event, on standard output), "summary",
--                  "none"
--     out          an open file for it; default standard error
--     report, junit   files for a page, and for JUnit's XML; of the second run of
--                  a script NAME-2.html, and so on
--     options      of batch.args: counts more than the other fields, but for hosts
--
-- When a run is taken up the steps that were not over are run again. Their calls of
-- before are not made again, but give what they gave: so a step has to make the same
-- calls with the same arguments each time. What differs, such as the time or what a
-- host says, is for batch.step to remember. Calls that a step makes otherwise than by
-- the host that it is given are in no journal, and are made again. Tasks that a step
-- begins are to be joined in it: when it has returned they can call nothing more.
--
-- A script whose runs have failed ends with the status of the worst (run.code),
-- unless it says otherwise by os.exit.

local caller = require "harp.caller"
local core = require "harp.core"
local expand = require "harp.batch.select"
local interrupts = require "harp.interrupts"
local options = require "harp.batch.options"
local outcome = require "harp.outcome"
local plan = require "harp.batch.plan"
local runner = require "harp.batch.runner"
local session = require "harp.batch.session"
local tasks = require "harp.tasks"
local telling = require "harp.batch.telling"
local turn = require "harp.batch.turn"
local view = require "harp.batch.view"

local batch = {}

-- ---- hosts ----

local function names_of(rpc)
  local names = {}
  for host in rpc:hosts() do names[#names + 1] = host.name end
  return names
end

-- A digest of what is asked for as hosts; nil for what is no JSON. Of a function it
-- is not what it returned this time.
local function selection_of(given)
  local hosts = type(given.hosts) == "function" and core.null or given.hosts
  local well, digest = pcall(core.digest, core.array{ hosts, given.limit })
  return well and digest or nil
end

-- The hosts of a batch; globs of the limit look at them, not at all that there are.
local function select_hosts(given, rpc)
  local selection = given.hosts
  if type(selection) == "function" then selection = selection(rpc) end
  local names = expand(selection, function() return names_of(rpc) end)
  if not given.limit then return names end
  local kept, list = {}, {}
  for _, name in ipairs(expand(given.limit, function() return names end, "the batch's hosts")) do kept[name] = true end
  for _, name in ipairs(names) do
    if kept[name] then list[#list + 1] = name end
  end
  if not list[1] then
    error(core.error{ kind = "UsageError", type = "hosts", message = "limit leaves none of the hosts" }, 0)
  end
  return list
end

-- ---- a dry run ----

-- The calls of each host, as far as they do not need results.
local function dry_run(given, names)
  local calls, run = {}, { is_dry = true, caller = given.caller }
  tasks.map(names, function(name)
    local at = turn.new(run, { name = name, steps = {}, calls = {} }, 1)
    local well, failure = at:call(given.step)
    if not well then plan.note_end(at.calls, failure) end
    calls[name] = at.calls
  end, { concurrency = given.concurrency })
  for _, line in ipairs(plan.lines(given, names, calls)) do telling.print(line) end
  return view(plan.record(given, names), given.caller)
end

-- ---- Ctrl-C ----

local LEFT = [[
%s was left: %s, %s not reached.
  harp attach %s          shows it
  harp run --resume %s    goes on where it was]]

local function counted(n) return n == 1 and "1 host goes on" or ("%d hosts go on"):format(n) end

-- Once, and jobs go on; twice, and they are cancelled. It may have ended since.
local function leave(self, given, signals)
  local record = self.record
  if record.finished then return end
  self:note{ event = "detach" }
  telling.close(self.observers)
  telling.say(LEFT, record.run, counted(record.counts.running), record.counts.waiting, record.run, record.run)
  local again = false
  if record.counts.running > 0 then
    telling.say("Ctrl-C again, within %d s, cancels what runs.", interrupts.GRACE)
    again = tasks.await(signals, interrupts.GRACE)
  end
  signals:close()               -- the next one ends us
  if again then
    self:cancel()
    telling.conclude(record, given)
  end
  error(core.error{
    kind = "CancelledException", type = again and "cancelled" or "interrupted",
    message = ("%s was %s"):format(record.run, again and "cancelled" or "left"),
  }, 0)
end

-- ---- a run ----

local worst = outcome.WELL

--- The exit status of the runs so far: the worst.
function batch.status() return worst end

local function shown_options(given)
  return {
    concurrency = given.concurrency, serial = given.serial[1] and core.array(given.serial), max_fail = given.max_fail,
    on_fail = given.on_fail, retries = given.retries, timeout = given.timeout,
  }
end

-- The first event of a run; or that another process goes on.
local function begin(self, given, names)
  local address, more = tostring(given.caller):match "^caller at (%S+)(.*)$"
  if self.record.run then return self:take_up(address) end
  local about = session.about()
  self:note{
    event = "run", run = self.id, name = given.name, session = about.session, program = about.program,
    hosts = core.array(names), selection = given.selection, place = given.place,
    waves = core.array(plan.waves(given.serial, #names)), options = shown_options(given),
    dispatcher = address, caller = more == "" and address or nil,
  }
  self:sync()                   -- by its id the dispatcher knows the calls again
end

local function carry_out(self, given, names)
  local well, failure = pcall(function()
    begin(self, given, names)
    interrupts.attend(function() self:run() end, function(signals) leave(self, given, signals) end,
      function() self:leave() end)
  end)
  telling.close(self.observers)
  if well then return end
  if self.record.run and not self.record.finished and given.resume ~= false then session.leave(self.record) end
  if self.record.run and (self.failure or self.writer.failure) then
    telling.say("%s goes on where it was: harp run --resume %s", self.id, self.id)
  end
  error(failure, 0)
end

-- Between the reading of a journal and having it another process may have had it.
local function check_unchanged(known, record)
  if not known or known.latest == record.latest then return end
  error(core.error{
    kind = "UsageError", type = "running",
    message = ("another process went on with %s meanwhile: look at it first, with harp runs show"):format(known.run),
  }, 0)
end

-- What is wrong before a run is begun is an error of none of its hosts. Returns
-- whether the dispatcher knows dedup keys.
local function check(given, known)
  local well, is_extended = pcall(function()
    telling.check(given)
    return given.caller:is_extended()
  end)
  if well then return is_extended end
  if known then session.leave(known) end
  error(is_extended, 0)
end

local function run(given, names, known)
  local _ <close> = telling.hold()
  local is_extended = check(given, known)
  local writer <close>, id = session.open(given.name, known)
  check_unchanged(known, writer.record)
  local self = runner{
    id = id, caller = given.caller, writer = writer, is_extended = is_extended, observers = telling.observers(given),
    step = given.step, concurrency = given.concurrency, max_fail = given.max_fail, on_fail = given.on_fail,
    retries = given.retries, backoff = given.backoff, timeout = given.timeout, queue = given.queue,
    after_wave = given.after_wave,
  }
  self.public = view(self.record, given.caller, self.values)
  carry_out(self, given, names)
  worst = outcome.worst{ worst, self.record:status() }
  telling.conclude(self.record, given)
  return self.public
end

--- Runs a batch to its end; returns the run (harp.batch.view). Raises what is
-- wrong with the options, a CommunicationError when the dispatcher cannot be
-- reached, and a CancelledException after Ctrl-C; the run can go on then.
function batch.run(given)
  given = options.check(given)
  given.place, given.dry_run = turn.place(), given.dry_run or turn.is_dry()
  local _ <close> = turn.aside()
  given.name, given.caller = given.name or session.default_name(), given.caller or caller()
  given.selection = selection_of(given)
  local names
  local function selected()
    names = names or select_hosts(given, given.caller)
    return names
  end
  if given.dry_run then return dry_run(given, selected()) end
  local known = session.find(given, selected)
  if known and not session.goes_on(known) then
    telling.note(given, "%s is over: harp runs show %s", known.run, known.run)
    worst = outcome.worst{ worst, known:status() }
    return view(known, given.caller)
  end
  return run(given, known and known.hosts or selected(), known)
end

--- batch.step([host,] name, fn): in the step of a batch, what fn(host) returns,
-- once it has ended well: from then on it is remembered for this host, in further
-- attempts and when the run is taken up. A job that it returns is waited for.
batch.step = turn.step

--- true in the steps of a dry run.
batch.is_dry_run = turn.is_dry

--- batch.args(declaration[, words]): harp.args, with the argument `hosts` and the
-- options of batches besides; for batch.run{ options = args }.
batch.args = options.args

return batch
