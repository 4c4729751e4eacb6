--- How a host of a batch can end:
--
--     ok           the step returned, or its job ended with a result
--     exception    a procedure raised one
--     error        it could not be run, or the step itself failed
--     unreachable  nobody was reached: it did not run
--     timeout      it took longer than it was allowed to
--     cancelled    its job was cancelled
--     unknown      nobody can know whether it ran, or how it ended
--     not_reached  its turn has not come

local core = require "harp.core"
local outcome = require "harp.outcome"

local outcomes = {}

--- From the harmless to the grave, the order of summaries.
outcomes.NAMES = { "ok", "not_reached", "cancelled", "exception", "error", "timeout", "unreachable", "unknown" }

--- What people call them.
outcomes.TITLES = {
  ok = "ok", exception = "exception", error = "error", unreachable = "unreachable", timeout = "timeout",
  cancelled = "cancelled", unknown = "unknown", not_reached = "not reached",
}

local STATUS = {
  ok = outcome.WELL, exception = outcome.EXCEPTION, error = outcome.ERROR, unreachable = outcome.UNREACHABLE,
  timeout = outcome.TIMEOUT, cancelled = outcome.CANCELLED, unknown = outcome.UNKNOWN,
}

local BY_STATUS = {}
for name, status in pairs(STATUS) do BY_STATUS[status] = name end

-- What a dispatcher, or the way to it, says when the call never came to the
-- daemon. Of a connection that was made before it ended harp says none of these.
local UNREACHABLE = {
  econnrefused = true, nxdomain = true, ehostunreach = true, enetunreach = true, ehostdown = true, enetdown = true,
  etimedout = true, certificate = true, tls = true, proxy = true, bad_address = true,
}

-- The connection to the daemon was lost, or made no sense any more, while the
-- procedure ran, a server was stopped; or the job is one that the dispatcher has
-- forgotten.
local LOST = {
  closed = true, econnreset = true, epipe = true, read_error = true, network_error = true, bad_protocol = true,
  shutdown = true, invalid_jobid = true,
}

--- Is it none of ok and not_reached?
function outcomes.is_failure(name) return name ~= "ok" and name ~= "not_reached" end

--- How many of these counts, by name, are of failures; other names count not.
function outcomes.failures(counts)
  local failed = 0
  for name, n in pairs(counts) do
    if outcomes.TITLES[name] and outcomes.is_failure(name) then failed = failed + n end
  end
  return failed
end

-- What was cancelled was so on purpose, and what is not known may have run.
local AGAIN = { exception = true, error = true, unreachable = true, timeout = true }

-- Errors that come again.
local LASTING = {
  unknown_host = true, no_such_procedure = true, invalid_argument_list = true, auth_error = true,
  invalid_request = true, lua = true,
}

--- May a host be tried again that ended so, with an error of that type?
function outcomes.may_be_retried(name, type) return AGAIN[name] and (name ~= "error" or not LASTING[type]) or false end

--- The outcome that an error stands for. That a task was cancelled is of no job.
function outcomes.of(failure)
  if not core.is_error(failure) then return "error" end
  if failure.kind == "CancelledException" and failure.type == "task" then return "error" end
  if failure.kind == "RemoteError" or failure.kind == "CommunicationError" then
    if UNREACHABLE[failure.type] then return "unreachable" end
    if LOST[failure.type] then return "unknown" end
  end
  return BY_STATUS[outcome.code(failure)] or "error"
end

--- What is raised of a job that was cancelled.
function outcomes.cancelled()
  return core.error{ kind = "CancelledException", type = "cancelled", message = "the job was cancelled" }
end

--- The exit status of a run, by its counts: that of the worst outcome; of one
-- that was stopped without any failure, that harp could not do what it was to.
function outcomes.status(counts, is_stopped)
  local statuses = {}
  for name, status in pairs(STATUS) do
    if (counts[name] or 0) > 0 then statuses[#statuses + 1] = status end
  end
  local worst = outcome.worst(statuses)
  if worst == outcome.WELL and (is_stopped or (counts.not_reached or 0) > 0) then return outcome.SCRIPT_ERROR end
  return worst
end

return outcomes
