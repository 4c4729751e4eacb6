--- A job: one submitted call, known by its id for as long as the dispatcher
-- keeps it. Nothing about a job that has not ended is remembered here.

local core = require "harp.core"
local packets = require "harp.packets"
local value = require "harp.value"

local Job = { __name = "harp.job" }
Job.__index = Job

local function unexpected(job, kind)
  error(core.error{
    kind = "CommunicationError", type = "bad_protocol", job = job.job_id,
    message = ("the dispatcher answered with %q where that has no meaning"):format(kind),
  }, 0)
end

-- One request, sent again when it has to be, and its reply.
local function ask(job, operation, fields, retry_for)
  fields.job_id = job.job_id
  local kind, data, again = job.link:ask(operation, fields, retry_for)
  if kind == "error" and value.is_request_error(data) then
    error(value.remote_error("RemoteError", data, job.job_id), 0)
  end
  return kind, data, again
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

-- The outcome, waited for if there is none. After trouble, and after a
-- `missing_result`, it is asked for again without waiting: stock dispatchers
-- say so now and then of a job that ends well, but do not repeat it. A wait
-- that is lost soon, again and again, has not gone well.
local function wait_for(job, retry_for)
  local patience
  local waits = true
  while true do
    local opened = core.now()
    local exchange <close> = job.link:request("get_result", { job_id = job.job_id, wait = waits })
    local kind, data = exchange:take()
    if kind == nil then
      if waits and core.now() - opened > job.link.SHORT_LIFE then patience = nil end
      patience = patience or job.link:patience(retry_for, job.job_id)
      patience:fail_wait(data, opened)
      waits = false
    elseif kind == "no_result" and not waits then
      waits = true
    elseif kind == "error" and data.type == "missing_result" and waits then
      waits = false
    elseif kind == "error" and value.is_request_error(data) then
      error(value.remote_error("RemoteError", data, job.job_id), 0)
    else
      job.link.reached = true
      return kind, data
    end
  end
end

-- Checks the options of a method that has no others.
local function retry_option(options, what, known)
  if options == nil then return nil end
  value.check_options(options, known or { retry_for = true }, what, 4)
  value.check_retry_for(options, 4)
  return options.retry_for
end

--- The id, a UUID string.
function Job:id() return self.job_id end

--- Was it submitted before, and is this what its dedup key found?
function Job:is_duplicate() return self.duplicate end

-- The result of a job that was followed: nothing is asked where its end was seen.
local function conclude(job, seen)
  local is_sure = seen and not (seen.kind == "error" and seen.data.type == "missing_result")
  if is_sure then return outcome(job, seen.kind, seen.data) end
  return job:result{ wait = true }
end

--- Packets as they come, until the job ends, however it does.
-- options: since = N (from packet N on) or recent = N (the last N, then the
-- new ones; default 0); numbered = true gives (number, packet), timestamps =
-- true the time of each as a further value (unix seconds; our dispatcher's
-- extension); retry_for = seconds, as of the caller. The iterator's result() is
-- job:result{ wait = true }; behind the last packet it need not be asked for.
function Job:follow(options) return packets(self, options, true, "job:follow", conclude) end

--- The packets recorded so far. options as in follow; default since = 0.
function Job:stream(options) return packets(self, options, false, "job:stream", conclude) end

--- The outcome: the value, harp.CALL_CANCELLED, an error (is_error; returned,
-- not raised), or harp.CALL_NOT_FINISHED. options: wait = true waits for it;
-- retry_for.
function Job:result(options)
  options = options or {}
  local retry_for = retry_option(options, "job:result", { wait = true, retry_for = true })
  if options.wait then return outcome(self, wait_for(self, retry_for)) end
  return outcome(self, ask(self, "get_result", { wait = false }, retry_for))
end

--- Waits for the value. Raises what the procedure or the dispatcher raised,
-- and a CancelledException when the job was cancelled. options: retry_for.
function Job:get(options)
  local kind, data = wait_for(self, retry_option(options, "job:get"))
  if kind == "result" then return data end
  if kind == "cancelled" then
    error(core.error{
      kind = "CancelledException", type = "cancelled", message = "the job was cancelled", job = self.job_id,
    }, 0)
  end
  error(outcome(self, kind, data), 0)
end

--- true if the job was queued or running, and is not any more. options:
-- retry_for.
function Job:cancel(options)
  local retry_for = retry_option(options, "job:cancel")
  local kind, data, again = ask(self, "cancel", {}, retry_for)
  if kind ~= "cancelled" then error(outcome(self, kind, data), 0) end
  -- Asked twice: the first time may have done it.
  if again and not data then return self:result{ retry_for = retry_for } == value.CALL_CANCELLED end
  return data
end

local function present(v)
  if v ~= core.null then return v end
end

--- {call = {procedure, arguments, host}, time = {submit, start, ["end"]},
-- info, state}: times in unix seconds, nil until known; state is "queued",
-- "running" or "ended". options: retry_for.
function Job:status(options)
  local kind, status = ask(self, "get_status", {}, retry_option(options, "job:status"))
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

--- The job of that id, at the dispatcher of that link; nothing is asked.
return function(link, id, duplicate)
  return setmetatable({ link = link, job_id = id, duplicate = duplicate or false }, Job)
end
