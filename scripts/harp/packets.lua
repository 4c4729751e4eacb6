--- The packets of a job: each once, in order, whatever happens on the way.
--
-- A connection that is lost is opened again at the next packet. A stock
-- dispatcher can skip packets when a follow begins, or end a stream although
-- the job goes on (protocol §1); what it has recorded is always right, and so
-- gaps are filled from there, and an end is believed only when the record has
-- it too.

local core = require "harp.core"
local stream = require "harp.stream"
local value = require "harp.value"

local BREAKS = 3                -- in a row, of a stream whose job goes on, that are no trouble

local OUTCOMES = { result = true, cancelled = true, exception = true, error = true }

local function failure(self, message)
  return core.error{
    kind = "CommunicationError", type = "bad_protocol", job = self.job.job_id, message = message,
  }
end

-- ---- exchanges: `record` reads what is recorded, `live` follows ----

local function open(self, operation)
  local fields = { job_id = self.job.job_id, since = self.next, timestamps = self.timestamps }
  if not self.next then fields.recent = math.max(self.recent, 1) end
  self.opened = core.now()
  return self.job.link:request(operation, fields)
end

local function close(self, name)
  if self[name] then self[name]:close() end
  self[name] = nil
end

-- The one to be read now: the record while there is need of it.
local function current(self)
  if self.record then return "record" end
  if self.follows and self.next and not self.behind then
    self.live = self.live or open(self, "follow_stream")
    return "live"
  end
  self.record = open(self, "read_stream")
  return "record"
end

-- To begin anew, once the dispatcher has shown that it knows the job: a stock
-- one that does not hangs up on streams without a word.
local function recover(self, name, reason)
  local lived = core.now() - self.opened
  close(self, name)
  self.patience:fail_wait(reason, self.opened)
  self.job:status{ retry_for = self.patience:left() }
  if lived > self.job.link.SHORT_LIFE then self.patience:renew() end
end

local function take(self)
  while true do
    local name = current(self)
    local kind, data, number, time = self[name]:take()
    if kind == "error" and value.is_request_error(data) then
      error(value.remote_error("RemoteError", data, self.job.job_id), 0)
    elseif kind then
      return name, kind, data, number, time
    end
    recover(self, name, data)
  end
end

-- ---- packets ----

-- Is a packet the next one? One that was seen before is not, and neither is
-- one behind a gap: the record has what was skipped, and this one soon.
local function is_next(self, number, data, time)
  local expected = self.next or number
  if number == expected then
    self.next, self.breaks = number + 1, 0
    if self.patience.since then self.patience:renew() end
    return true
  elseif number > expected then
    self.held, self.behind = { number = number, data = data, time = time }, true
  end
  return false
end

-- The packet behind the gap, unless the record had it as well.
local function release_held(self)
  local held = self.held
  self.held = nil
  if not held or held.number < self.next then return end
  if held.number > self.next then
    error(failure(self, ("packet %d is missing; %d came instead"):format(self.next, held.number)), 0)
  end
  self.next = held.number + 1
  return held.number, held.data, held.time
end

-- The record has come to its end, the job has not: from here on it is live.
local function end_of_record(self)
  close(self, "record")
  self.next, self.behind = self.next or 0, nil
  if self.broke_off then
    self.broke_off, self.breaks = nil, self.breaks + 1
    if self.breaks <= BREAKS then return end
    self.patience:fail(core.error{
      kind = "CommunicationError", type = "closed", message = "the stream ended although the job goes on",
    })
  end
end

-- Is an outcome the end of it all?
local function is_end(self, name)
  self.job.link.reached = true
  if name == "record" or self.job.link.caller:is_extended() then return true end
  close(self, "live")
  self.behind, self.broke_off = true, true      -- ask the record
  return false
end

local function step(self)
  while not self.over do
    local name, kind, data, number, time = take(self)
    if kind == "packet" then
      -- `recent` 0 wants none of the record, only its end.
      local wanted = self.next or self.recent > 0
      if is_next(self, number, data, time) and wanted then return number, data, time end
    elseif kind ~= "continue" and not OUTCOMES[kind] then
      error(failure(self, ("the dispatcher answered with %q in a stream"):format(kind)), 0)
    else
      if kind == "continue" and self.follows then
        end_of_record(self)
      elseif kind == "continue" then
        self.over = true
      elseif is_end(self, name) then
        self.over, self.outcome = true, { kind = kind, data = data }
      end
      if name == "record" then
        number, data, time = release_held(self)
        if number then return number, data, time end
      end
    end
  end
end

-- ---- the iterator ----

local OPTIONS = { since = true, recent = true, numbered = true, timestamps = true, retry_for = true }

local function count(options, name)
  local n = options[name]
  if n ~= nil and (math.type(n) ~= "integer" or n < 0) then
    error(("%s must be an integer of at least 0"):format(name), 3)
  end
  return n
end

--- An iterator over a job's packets: as they come until its end (`follows`),
-- or those that are recorded. `what` names the method in errors. Its result() is
-- that of `conclude`, which gets the outcome, { kind, data }, if packets have come
-- to it.
return function(job, options, follows, what, conclude)
  options = options or {}
  value.check_options(options, OPTIONS, what)
  value.check_retry_for(options, 3)
  local since, recent = count(options, "since"), count(options, "recent")
  if since and recent then error("since and recent exclude each other", 2) end
  if not since and not recent then
    if follows then recent = 0 else since = 0 end
  end
  local self = {
    job = job, follows = follows, next = since, recent = recent, timestamps = options.timestamps, breaks = 0,
    patience = job.link:patience(options.retry_for, job.job_id),
  }
  local numbered = options.numbered
  local iterator = stream(function()
    local number, data, time = step(self)
    if numbered then return number, data, time end
    return data, time
  end, function()
    close(self, "live")
    close(self, "record")
  end, numbered and 2 or 1, ("the packets of %s"):format(tostring(job)), job)
  function iterator.result() return conclude(job, self.outcome) end
  return iterator, nil, nil, iterator
end
