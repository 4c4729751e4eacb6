--- A job: one submitted call, known by its id for as long as the dispatcher
-- keeps it. Nothing about a job that has not ended is remembered here.

local core = require "harp.core"
local stream = require "harp.stream"
local value = require "harp.value"

local Job = { __name = "harp.job" }
Job.__index = Job

-- The errors that a dispatcher answers when the request itself was at fault;
-- any other is the job's own outcome.
local REQUEST_ERRORS = { invalid_jobid = true, invalid_request = true, parse_error = true }

local function ask(job, operation, fields)
  fields.job_id = job.job_id
  return core.request(job.endpoint, fields, operation)
end

-- One reply. No reply at all is a CommunicationError, with the job's id.
local function take(job, exchange)
  local kind, data, number = exchange:take()
  if kind == nil then
    data.job = job.job_id
    error(data, 0)
  elseif kind == "error" and REQUEST_ERRORS[data.type] then
    error(value.remote_error("RemoteError", data, job.job_id), 0)
  end
  return kind, data, number
end

local function unexpected(job, kind)
  error(core.error{
    kind = "CommunicationError", type = "bad_protocol", job = job.job_id,
    message = ("the dispatcher answered with %q where that has no meaning"):format(kind),
  }, 0)
end

-- One request with one reply.
local function ask_once(job, operation, fields)
  local exchange <close> = ask(job, operation, fields)
  return take(job, exchange)
end

-- The outcome as `result` returns it.
local function outcome(job, kind, data)
  if kind == "result" then return data end
  if kind == "no_result" then return value.CALL_NOT_FINISHED end
  if kind == "cancelled" then return value.CALL_CANCELLED end
  if kind == "exception" then return value.remote_error("RemoteException", data, job.job_id) end
  if kind == "error" then return value.remote_error("RemoteError", data, job.job_id) end
  unexpected(job, kind)
end

local OUTCOMES = { result = true, cancelled = true, exception = true, error = true }

-- Packets until the outcome or the end of what is there.
local function packets(job, operation, options, known)
  options = options or {}
  value.check_options(options, known, "job:" .. operation)
  if options.since and options.recent then
    error("since and recent exclude each other", 3)
  end
  local recent = options.recent
  if operation == "follow_stream" and not options.since then recent = recent or 0 end
  local since = not recent and (options.since or 0) or nil
  local exchange = ask(job, operation, { since = since, recent = recent })
  local expected = since
  local iterator = stream(exchange, function()
    local kind, data, number = take(job, exchange)
    if kind == "packet" then
      if expected and number ~= expected then
        error(core.error{
          kind = "CommunicationError", type = "bad_protocol", job = job.job_id,
          message = ("packet %d came where %d was due"):format(number, expected),
        }, 0)
      end
      expected = number + 1
      if options.numbered then return number, data end
      return data
    elseif not OUTCOMES[kind] and kind ~= "continue" then
      unexpected(job, kind)
    end
    return nil
  end)
  return iterator, nil, nil, iterator
end

local STREAM_OPTIONS = { since = true, recent = true, numbered = true }

--- The id, a UUID string.
function Job:id() return self.job_id end

--- Packets as they come, until the job ends, however it does.
-- options: since = N (from packet N on) or recent = N (the last N, then the
-- new ones; default 0); numbered = true gives (number, packet).
function Job:follow(options) return packets(self, "follow_stream", options, STREAM_OPTIONS) end

--- The packets recorded so far. options as in follow; default since = 0.
function Job:stream(options) return packets(self, "read_stream", options, STREAM_OPTIONS) end

--- The outcome: the value, harp.CALL_CANCELLED, an error (is_error; returned,
-- not raised), or harp.CALL_NOT_FINISHED. options: wait = true waits for it.
function Job:result(options)
  options = options or {}
  value.check_options(options, { wait = true }, "job:result")
  return outcome(self, ask_once(self, "get_result", { wait = options.wait or false }))
end

--- Waits for the value. Raises what the procedure or the dispatcher raised,
-- and a CancelledException when the job was cancelled.
function Job:get(options)
  value.check_options(options or {}, {}, "job:get")
  local kind, data = ask_once(self, "get_result", { wait = true })
  if kind == "result" then return data end
  if kind == "cancelled" then
    error(core.error{
      kind = "CancelledException", type = "cancelled", message = "the job was cancelled", job = self.job_id,
    }, 0)
  end
  error(outcome(self, kind, data), 0)
end

--- true if the job was queued or running, and is not any more.
function Job:cancel()
  local kind, data = ask_once(self, "cancel", {})
  if kind == "cancelled" then return data end
  error(outcome(self, kind, data), 0)
end

local function present(v)
  if v ~= core.null then return v end
end

--- {call = {procedure, arguments, host}, time = {submit, start, ["end"]},
-- info, state}: times in unix seconds, nil until known; state is "queued",
-- "running" or "ended".
function Job:status()
  local kind, status = ask_once(self, "get_status", {})
  if kind ~= "status" then error(outcome(self, kind, status), 0) end
  local time = status.time
  time.submit, time.start, time["end"] = present(time.submit), present(time.start), present(time["end"])
  status.info = present(status.info)
  status.state = time["end"] and "ended" or time.start and "running" or "queued"
  return status
end

function Job:procedure() return self:status().call.procedure end
function Job:args() return self:status().call.arguments end
function Job:host() return self:status().call.host end
function Job:info() return self:status().info end
function Job:submit_time() return self:status().time.submit end
function Job:start_time() return self:status().time.start end
function Job:end_time() return self:status().time["end"] end

function Job:__tostring() return "job " .. self.job_id end

function Job:__eq(other) return self.job_id == other.job_id end

--- The job of that id at the dispatcher of that endpoint; nothing is asked.
return function(endpoint, id)
  return setmetatable({ endpoint = endpoint, job_id = id }, Job)
end
