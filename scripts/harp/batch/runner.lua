--- Runs a batch: waves of hosts, so many at once, each with its attempts. What
-- happens is noted in the journal, and told to observers.

local brief = require "harp.batch.brief"
local core = require "harp.core"
local journal = require "harp.batch.journal"
local outcomes = require "harp.batch.outcomes"
local plan = require "harp.batch.plan"
local tasks = require "harp.tasks"
local turn = require "harp.batch.turn"
local value = require "harp.value"

local Runner = {}
Runner.__index = Runner

local LONGEST_PAUSE = 300       -- seconds between two attempts
local LONGEST_VALUE = 64 << 10  -- bytes of JSON that the journal keeps of a host's value
local MOST_VALUES = 64 << 20    -- bytes of JSON of longer ones that are at hand; others are asked for again
local PATIENCE = 1              -- seconds that ids of submitted calls are waited for when the run is left

-- ---- what happens ----

--- Notes an event in the journal, and tells of it.
function Runner:note(event)
  self.writer:add(event)
  self:tell(event)
end

function Runner:tell(event)
  for _, observer in ipairs(self.observers) do observer:event(event, self.record) end
end

function Runner:sync() self.writer:sync() end

local function packet(self, name, job, number, data)
  local event = { event = "packet", time = core.time(), host = name, job = job:id(), number = number, data = data }
  self.record:apply(event)
  self:tell(event)
end

-- ---- calls of turns ----

function Runner:queue_of(name)
  local queue = self.queue
  if type(queue) == "function" then queue = queue(name) end
  if queue == nil then return { host = name } end
  return queue or nil
end

--- Ends a task of a run that is left, also where a step has caught that it was
-- cancelled: what it makes of that is not what became of its host.
function Runner:check_left()
  if not self.is_left then return end
  self.is_known:wait()
  core.sleep(0)                 -- who calls again and again lets others go on
  error(core.error{ kind = "CancelledException", type = "task", message = "the run was left" }, 0)
end

--- A call is about to be submitted: not while the run is left.
function Runner:begin_submit()
  self:check_left()
  self.submits = self.submits + 1
end

function Runner:end_submit() self.submits = self.submits - 1 end

--- Has a run that is to be left stop where its journal knows every job.
function Runner:leave()
  self.is_left = true
  local since = core.now()
  while self.submits > 0 and core.now() - since < PATIENCE do core.sleep(0.01) end
  self.is_known:fire()
end

-- ---- one attempt ----

-- Ends a task that was cancelled, whatever was made of that. One that waited for
-- another that was is not.
local function check_cancelled()
  if not core.was_cancelled() then return end
  error(core.error{ kind = "CancelledException", type = "task", message = "the task was cancelled" }, 0)
end

-- A job's end, with its packets on the way.
local function follow(self, name, job)
  local packets <close> = job:follow{ since = 0, numbered = true }
  for number, data in packets do packet(self, name, job, number, data) end
  return packets:result()
end

local function text_of(failure)
  if core.is_error(failure) then return journal.text(failure.message or failure.type) end
  return journal.text((tostring(failure):gsub("%s*\n.*", "")))
end

-- An end: true and the value; or the outcome, and what is told of the failure.
-- Whether the dispatcher itself is lost is no matter of one host, whatever a step
-- makes of it.
local function ended(self, at, well, v)
  if well then return { outcome = "ok", value = v } end
  local lost = next(at.lost) or core.is_error(v, "CommunicationError") and v.type ~= "unknown_outcome"
    and self.record.jobs[v.job] and v
  return {
    outcome = outcomes.of(v), message = text_of(v), type = core.is_error(v) and v.type or "lua",
    job = core.is_error(v) and v.job or nil, lost = lost or nil,
  }
end

-- Is there a call of an attempt of which nobody knows whether it was accepted?
local function is_in_doubt(host, number)
  for _, call in pairs(host.calls) do
    if call.attempt == number and not call.job and not call.refused then return true end
  end
  return false
end

-- How a step ended; `job` is the one that it returned.
local function attempt(self, at)
  local well, v = at:call(self.step)
  local job = well and plan.is_job(v) and v or nil
  if job then well, v = pcall(follow, self, at.name, job) end
  check_cancelled()
  self:check_left()
  if v == value.CALL_CANCELLED then well, v = false, outcomes.cancelled() end
  local result = ended(self, at, well and not core.is_error(v), v)
  if job then result.job, result.is_of_job = job:id(), true end
  if result.outcome ~= "ok" and is_in_doubt(at.record, at.attempt) then result.outcome = "unknown" end
  return result
end

-- ---- a host ----

local function with_packets(event, host)
  if host.count > 0 then
    event.packets, event.count, event.before = core.array(host.packets), host.count, host.before
  end
  return event
end

-- What is no JSON is not in the journal, nor what is long and a job has, too.
local function note_end(self, name, number, result)
  local event = {
    event = "end", host = name, outcome = result.outcome, attempts = number, message = result.message,
    type = result.type, job = result.job,
  }
  local host = self.record.by_host[name]
  local well, text = pcall(core.encode, { result.value })
  if not well then
    event.outcome, event.type = "error", "invalid_value"
    event.message = "what the step returned is no JSON: " .. tostring(text)
  elseif #text > LONGEST_VALUE and result.is_of_job then
    event.is_long = true
  else
    event.value = result.value
  end
  if event.is_long and #text <= self.room then self.values[name], self.room = result.value, self.room - #text end
  if outcomes.is_failure(event.outcome) and self.on_fail == "batch" then
    self:stop(("%s failed, and on_fail is \"batch\""):format(name))
  end
  self:note(with_packets(event, host))
end

-- What of a failed attempt still runs must not run beside the next one.
local function cancel_calls(self, host, number)
  for _, call in pairs(host.calls) do
    if call.attempt == number and call.job then
      local well, failure = pcall(function() self.caller:job(call.job):cancel() end)
      check_cancelled()
      if not well and core.is_error(failure, "CommunicationError") then return self:lose(failure) end
    end
  end
  self:check_left()
end

local function pause(self, number)
  local seconds = math.min(self.backoff * 2 ^ (number - 1), LONGEST_PAUSE)
  return seconds * (0.5 + math.random() / 2)
end

-- Is another attempt due? Of a run that is left it is so for who takes it up.
local function is_to_be_retried(self, number, result)
  if number > self.retries or self.stopping and not self.failure then return false end
  return outcomes.may_be_retried(result.outcome, result.type)
end

-- On disk first: who dies here must not take the cancelling for the outcome. Then
-- until it is time for that, or no more further attempts are made.
local function wait_for_next(self, host, number, result)
  local seconds = pause(self, number)
  self:note{
    event = "retry", host = host.name, attempt = number, outcome = result.outcome, message = result.message,
    type = result.type, pause = seconds,
  }
  self:sync()
  cancel_calls(self, host, number)
  tasks.await(self.is_ending, seconds)
end

-- The attempt that is next, or that another process did not bring to its end.
local function next_attempt(self, host)
  local failed = host.failed
  if failed and host.attempt == failed.attempt then cancel_calls(self, host, failed.attempt) end
  return failed and failed.attempt + 1 or host.attempt or 1
end

local function run_host(self, name)
  local host = self.record.by_host[name]
  if host.state == "ended" or self.failure or self.stopping and host.state == "waiting" then return end
  local number = next_attempt(self, host)
  if self.failure then return end
  if self.stopping and number > (host.attempt or 1) then
    return note_end(self, name, host.failed.attempt, host.failed)
  end
  while true do
    self:note{ event = "start", host = name, attempt = number }
    local result = attempt(self, turn.new(self, host, number))
    if result.lost then return self:lose(result.lost) end
    if not is_to_be_retried(self, number, result) then return note_end(self, name, number, result) end
    wait_for_next(self, host, number, result)
    if self.failure then return end
    if self.stopping then return note_end(self, name, number, result) end
    number = number + 1
  end
end

-- ---- ends before the end ----

-- The last job that a dispatcher has accepted.
local function last_job(record)
  local last = nil
  for _, host in pairs(record.by_host) do
    for _, call in pairs(host.calls) do
      local is_here = call.job and call.dispatcher == record.dispatcher
      if is_here and (not last or call.time > last.time) then last = call end
    end
  end
  return last and last.job
end

-- Does the dispatcher know what it has accepted? Its address can be another's now,
-- or its database a new one.
local function is_remembered(self)
  local job = last_job(self.record)
  if not job then return true end
  local well, failure = pcall(function() return self.caller:job(job):status() end)
  if not well and not core.is_error(failure, "RemoteError") then error(failure, 0) end
  return well
end

--- Another process goes on, at that dispatcher. What had stopped the run still
-- does, when that died before its end.
function Runner:take_up(dispatcher)
  self:note{ event = "resume", dispatcher = dispatcher }
  self.is_remembered = is_remembered(self)
  if self.record.stopped then self:end_begun() end
end

--- Nothing more is begun, neither hosts nor further attempts.
function Runner:end_begun()
  self.stopping = true
  self.is_ending:fire()
end

--- No further hosts are begun; those that run go on to their ends. `wave`: that
-- is over all the same.
function Runner:stop(reason, wave)
  if self.stopping then return end
  self:end_begun()
  self:note{ event = "stop", reason = reason, wave = wave }
end

--- The dispatcher cannot be reached any more: the run is left as it is. What is
-- not known of a call is found out by who takes it up.
function Runner:lose(failure)
  self:end_begun()
  self.failure = self.failure or core.error{
    kind = "CommunicationError", type = failure.type ~= "unknown_outcome" and failure.type or "closed",
    message = "the dispatcher was lost: " .. (failure.message or failure.type),
  }
end

-- ---- waves ----

local function failures_of(self, wave)
  local count = 0
  for _, name in ipairs(wave) do
    local outcome = self.record.by_host[name].outcome
    if outcome and outcomes.is_failure(outcome) then count = count + 1 end
  end
  return count
end

-- Did more hosts of a wave fail than may? Why that is so.
local function excess(self, number, wave, failures)
  if self.max_fail and number < #self.record.waves and plan.is_too_many(failures, self.max_fail, #wave) then
    return ("%d of %s of wave %d failed, and max_fail is %s"):format(
      failures, brief.count(#wave, "host"), number, self.max_fail)
  end
end

-- What after_wave has against further waves.
local function objection(self, number, wave, failures)
  if not self.after_wave then return nil end
  local well, failure = pcall(self.after_wave, {
    number = number, of = #self.record.waves, hosts = wave, failed = failures,
  }, self.public)
  check_cancelled()
  self:check_left()
  if not well then return ("after wave %d: %s"):format(number, text_of(failure)) end
  if failure == false then return ("after wave %d: after_wave returned false"):format(number) end
end

-- Is there something to do in a wave? After a stop in none that had not begun.
local function is_due(self, number)
  return number > self.record.waves_ended and not (self.stopping and number > self.record.wave)
end

-- A wave that the run was stopped in, or that after_wave objected to, is not over:
-- it is looked at again when the run is taken up. What max_fail says is said once.
local function run_wave(self, number, wave)
  self:note{ event = "wave", wave = number }
  tasks.map(wave, function(name) run_host(self, name) end, { concurrency = self.concurrency })
  if self.stopping then return end
  local failures = failures_of(self, wave)
  local reason = excess(self, number, wave, failures)
  if reason then return self:stop(reason, number) end
  reason = objection(self, number, wave, failures)
  if reason then return self:stop(reason) end
  self:note{ event = "wave_end", wave = number }
end

--- Runs what has not ended yet. A dispatcher that is lost is raised.
function Runner:run()
  if self.record.is_cancelled then return self:cancel() end
  for number, wave in ipairs(self.record.waves) do
    if self.failure then break end
    if is_due(self, number) then run_wave(self, number, wave) end
  end
  if self.failure then error(self.failure, 0) end
  self:note{ event = "finish" }
  self:sync()
end

-- ---- cancelling ----

-- Whether a call is over, or was cancelled now, the host's turn is not complete.
local function cancel_host(self, name)
  local host = self.record.by_host[name]
  local outcome = "cancelled"
  for _, call in pairs(host.calls) do
    if call.job and not pcall(function() self.caller:job(call.job):cancel() end)
      or not call.job and not call.refused then outcome = "unknown" end
  end
  self:note(with_packets({
    event = "end", host = name, outcome = outcome, attempts = host.attempts, message = "left by Ctrl-C",
  }, host))
end

--- Cancels what runs, and ends the run: what was not begun is not reached.
function Runner:cancel()
  self:note{ event = "stop", reason = "cancelled by Ctrl-C", is_cancelled = true }
  tasks.map(self.record:list "running", function(name) cancel_host(self, name) end)
  self:note{ event = "finish" }
end

--- A runner: fields are the options of batch.run, and id, caller, writer (of the
-- journal), is_extended (knows the dispatcher dedup keys?), public (what
-- after_wave is given), observers.
return function(fields)
  fields.record, fields.submits, fields.values, fields.room = fields.writer.record, 0, {}, MOST_VALUES
  fields.is_known, fields.is_ending, fields.is_remembered = core.event(), core.event(), true
  return setmetatable(fields, Runner)
end
