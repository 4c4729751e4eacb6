--- What became of a run, folded from its events: the same for one that goes on
-- and for one whose journal is read. An event is a table with `event`, its
-- kind, `time` (unix seconds) and, where it is about one, `host`:
--
--     run      format, run (its id), name, session, hosts, selection (a digest of
--              what was asked for), place (of a batch within a step: where), waves
--              (sizes), dispatcher (its address), caller (the same, where it is all
--              that is needed), options (as shown to people), program: the first one
--     resume   another process goes on; dispatcher: that may be another one
--     wave     wave (number): begins        wave_end  wave
--     start    attempt: a host's turn, or its next one
--     call     key, attempt, step, procedure, arguments (a digest), is_keyed (by a
--              dedup key): is about to be submitted
--     job      key, job (id): was accepted
--     refused  key, message: was not accepted; failure: the error, where it is
--              that of the call and not of the way to the dispatcher
--     packet   job, number, data: not kept in the journal
--     step     name, value: batch.step has ended
--     retry    attempt, outcome, message, type, pause (seconds)
--     end      outcome, attempts, value | message and type, job, packets, count,
--              before
--     stop     reason: no more hosts are begun; wave: that is over all the same;
--              is_cancelled: what runs is cancelled
--     detach   who watched has gone; jobs go on
--     finish   outcomes are final
--
-- A record has, besides what the run event has:
--
--     time, finished (both unix seconds), stopped (reason), detached
--     hosts      list of names, in their order
--     waves      list of lists of names
--     wave       the one that has begun last, 0 before
--     counts     by outcome, and of "running" and "waiting"
--     jobs       a set of the ids of all jobs
--     by_host    name → {
--       name, wave, state = "waiting" | "running" | "ended", attempt, attempts,
--       start, stop   unix seconds, of the first attempt and of its end
--       outcome, value, message, type     when it has ended
--       is_long       its value is too long to be kept: its job has it
--       job           id of the last one
--       calls         key → { number (of the host's), attempt, step, procedure,
--                     arguments, is_keyed, job, refused, failure, time, dispatcher }
--       call_count    how many there are
--       failed        of the last attempt that is followed by another: { attempt,
--                     outcome, message, type }
--       steps         name → { value = }
--       packets       list of the last packets, sizes (bytes of each), size (of all),
--                     count: how many there were, before: a digest of those
--                     that are not kept
--     }

local core = require "harp.core"
local outcomes = require "harp.batch.outcomes"

local Record = {}
Record.__index = Record

local MOST_PACKETS = 100        -- of a host, the last ones
local MOST_BYTES = 64 << 10     -- of JSON, of them

local function host_of(record, event)
  local host = record.by_host[event.host]
  if not host then error(("%s has an event of %q, which is not in it"):format(record.run, tostring(event.host)), 0) end
  return host
end

local function forget_packets(host)
  host.packets, host.sizes, host.size, host.count, host.before = {}, {}, 0, 0, nil
end

local function add_host(record, name, wave)
  local host = { name = name, wave = wave, state = "waiting", attempts = 0, calls = {}, call_count = 0, steps = {} }
  forget_packets(host)
  record.by_host[name] = host
end

local function count(record, what, by)
  record.counts[what] = (record.counts[what] or 0) + by
end

-- "waiting" → "running" → its outcome.
local function move(record, host, state, outcome)
  count(record, host.outcome or host.state, -1)
  host.state, host.outcome = state, outcome
  count(record, outcome or state, 1)
end

-- Of what is nested too deeply for an event it is too much.
local function size_of(data)
  if type(data) == "string" then return #data end
  local well, text = pcall(core.encode, { { data } })
  return well and #text or MOST_BYTES + 1
end

local function keep_packet(host, data)
  local size = size_of(data)
  host.count, host.size = host.count + 1, host.size + size
  host.packets[#host.packets + 1], host.sizes[#host.sizes + 1] = data, size
  while #host.packets > MOST_PACKETS or host.size > MOST_BYTES do
    host.size = host.size - table.remove(host.sizes, 1)
    local well, digest = pcall(core.digest, core.array{ host.before or "", table.remove(host.packets, 1) })
    host.before = well and digest or host.name
  end
end

local take = {}

function take.run(record, event)
  for name, v in pairs(event) do record[name] = v end
  record.event = nil
  record.waves = {}
  local at = 0
  for number, size in ipairs(event.waves) do
    local wave = {}
    for i = 1, size do
      local name = event.hosts[at + i]
      wave[i] = name
      add_host(record, name, number)
    end
    at, record.waves[number] = at + size, wave
  end
  record.counts.waiting = #event.hosts
end

-- Its end counts no more, nor what stopped it before that. What did so before it
-- died has not been carried out yet.
function take.resume(record, event)
  if record.finished then record.stopped, record.is_cancelled = nil, nil end
  record.detached, record.finished = nil, nil
  record.dispatcher = event.dispatcher or record.dispatcher
  for _, name in ipairs(record.hosts) do
    local host = record.by_host[name]
    if host.outcome == "not_reached" then move(record, host, "waiting") end
  end
end

function take.wave(record, event) record.wave = event.wave end

function take.wave_end(record, event) record.waves_ended = event.wave end

function take.start(record, event)
  local host = host_of(record, event)
  host.attempt, host.attempts = event.attempt, math.max(host.attempts, event.attempt)
  host.start = host.start or event.time
  forget_packets(host)
  move(record, host, "running")
end

-- One that is submitted again may have been accepted the first time.
function take.call(record, event)
  local host = host_of(record, event)
  local before = host.calls[event.key]
  local is_again = before and not before.refused
  host.call_count = host.call_count + (before and 0 or 1)
  host.calls[event.key] = {
    number = before and before.number or host.call_count, attempt = event.attempt, step = event.step,
    procedure = event.procedure, arguments = event.arguments, is_keyed = event.is_keyed,
    time = is_again and before.time or event.time,
    dispatcher = record.dispatcher,
  }
end

function take.job(record, event)
  local host = host_of(record, event)
  host.calls[event.key].job, host.calls[event.key].refused = event.job, nil
  host.job, record.jobs[event.job] = event.job, true
end

function take.refused(record, event)
  local call = host_of(record, event).calls[event.key]
  call.refused, call.failure = true, event.failure
end

function take.packet(record, event) keep_packet(host_of(record, event), event.data) end

function take.step(record, event) host_of(record, event).steps[event.name] = { value = event.value } end

function take.retry(record, event)
  local host = host_of(record, event)
  host.failed = { attempt = event.attempt, outcome = event.outcome, message = event.message, type = event.type }
  host.message = event.message
end

take["end"] = function(record, event)
  local host = host_of(record, event)
  move(record, host, "ended", event.outcome)
  host.stop, host.attempts = event.time, event.attempts or host.attempts
  host.value, host.is_long, host.message, host.type = event.value, event.is_long, event.message, event.type
  host.job = event.job or host.job
  if event.packets then host.packets, host.count, host.before = event.packets, event.count, event.before end
end

function take.stop(record, event)
  record.stopped, record.waves_ended = event.reason, event.wave or record.waves_ended
  record.is_cancelled = event.is_cancelled
end

function take.detach(record, event) record.detached = event.time end

function take.finish(record, event)
  record.finished = event.time
  for _, name in ipairs(record.hosts) do
    local host = record.by_host[name]
    if host.state ~= "ended" then move(record, host, "ended", "not_reached") end
  end
end

--- Takes the next event. One of a kind that it does not know is of a later
-- harp, and nothing to it.
function Record:apply(event)
  local step = take[event.event]
  if step then step(self, event) end
  self.latest = event.time or self.latest
end

--- Adds a host that the run event has not, for who learns of hosts by their jobs.
function Record:add_host(name, wave)
  self.hosts[#self.hosts + 1] = name
  add_host(self, name, wave)
end

--- The hosts that a word means, in their order: an outcome; "failed", all that
-- have ended but were not ok; "running", "waiting"; "all". nil for other words.
function Record:list(word)
  local known = word == "all" or word == "failed" or word == "running" or word == "waiting" or outcomes.TITLES[word]
  if not known then return nil end
  local list = {}
  for _, name in ipairs(self.hosts) do
    local host = self.by_host[name]
    local is = host.outcome or host.state
    if word == "all" or word == is or word == "failed" and host.outcome and outcomes.is_failure(is) then
      list[#list + 1] = name
    end
  end
  return list
end

--- The exit status: that of the worst outcome.
function Record:status() return outcomes.status(self.counts, self.stopped ~= nil) end

--- A record of nothing; its first event is "run".
return function()
  return setmetatable({
    by_host = {}, jobs = {}, counts = { running = 0, waiting = 0 }, wave = 0, waves_ended = 0,
  }, Record)
end
