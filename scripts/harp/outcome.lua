--- How a call, and a program that makes it, can end: the exit statuses, and an
-- error in one line that says what to do about it.

local core = require "harp.core"
local printable = require "harp.printable"

local outcome = {}

--- Exit statuses, in the order of their numbers from 0 on; scripts have the
-- first three and, for an error of a call that they do not catch, the others.
outcome.NAMES = {
  [0] = "well", "script error", "usage", "exception", "error", "cancelled", "unreachable", "timeout", "unknown outcome",
}

--- What each of them means, for the manual.
outcome.MEANINGS = {
  [0] = "All went well.",
  "The script failed, or harp could not do what it was asked to.",
  "It was called wrongly: nothing was done.",
  "The procedure raised an exception.",
  "The dispatcher or the daemon answered with an error.",
  "The job was cancelled.",
  "The dispatcher, or the daemon behind it, could not be reached.",
  "It took longer than it was allowed to.",
  "Nobody can know whether, or how, the call ended.",
}

outcome.WELL, outcome.SCRIPT_ERROR, outcome.USAGE = 0, 1, 2
outcome.EXCEPTION, outcome.ERROR, outcome.CANCELLED, outcome.UNREACHABLE = 3, 4, 5, 6
outcome.TIMEOUT, outcome.UNKNOWN = 7, 8

--- By Ctrl-C, and by a reader who has gone: as shells have it, 128 + the signal.
outcome.INTERRUPTED, outcome.CLOSED_PIPE = 130, 141

local BY_TYPE = {
  timeout = outcome.TIMEOUT, unknown_outcome = outcome.UNKNOWN, missing_result = outcome.UNKNOWN,
  interrupted = outcome.INTERRUPTED, journal = outcome.SCRIPT_ERROR,
}
local BY_KIND = {
  RemoteException = outcome.EXCEPTION, CancelledException = outcome.CANCELLED,
  CommunicationError = outcome.UNREACHABLE, TimeoutError = outcome.TIMEOUT, UsageError = outcome.USAGE,
}

--- The exit status that an error stands for. What a procedure raised is an
-- exception, whatever type it has.
function outcome.code(failure)
  if not core.is_error(failure) then return outcome.SCRIPT_ERROR end
  if failure.kind == "RemoteException" then return outcome.EXCEPTION end
  return BY_TYPE[failure.type] or BY_KIND[failure.kind] or outcome.ERROR
end

-- From the harmless to the grave.
local GRAVITY = {}
for i, status in ipairs{
  outcome.WELL, outcome.CANCELLED, outcome.EXCEPTION, outcome.ERROR, outcome.USAGE, outcome.SCRIPT_ERROR,
  outcome.TIMEOUT, outcome.UNREACHABLE, outcome.UNKNOWN,
} do GRAVITY[status] = i end

--- The exit status of several, a list: the worst of them.
function outcome.worst(statuses)
  local worst = outcome.WELL
  for _, status in ipairs(statuses) do
    if GRAVITY[status] > GRAVITY[worst] then worst = status end
  end
  return worst
end

local HINTS = {
  unsupported = "use one of harp's own (--caller ADDRESS)",
  nxdomain = "is the name right?",
  enoent = "nothing listens there: is it the right path, and is the server running? `harp local` starts one",
  econnrefused = "nobody listens there: is it the right address, and is the server running? `harp local` starts one",
  unknown_host = "`harp hosts` lists the hosts that the dispatcher knows",
  no_such_procedure = "`harp procedures HOST` lists what there is",
  auth_error = "check user and password",
  unknown_outcome = "`harp jobs` shows whether it was accepted",
  invalid_jobid = "`harp jobs` lists those that the dispatcher has",
}

--- An error in one line: what happened, to what and, where that is known, what
-- to do.
function outcome.line(failure)
  if not core.is_error(failure) then return printable((tostring(failure):gsub("\n.*", ""))) end
  local text = ("%s: %s"):format(failure.type or failure.kind, failure.message or "no message")
  if failure.job then text = ("%s [job %s]"):format(text, failure.job) end
  local hint = failure.kind ~= "RemoteException" and HINTS[failure.type]
  return printable(text:gsub("%s*[\n\t]%s*", " ")) .. (hint and ("; %s"):format(hint) or "")
end

-- The line of the script that an error of ours comes from: the innermost one
-- in a traceback that is not of this module.
local function place(traceback)
  for file, line, where in (traceback or ""):gmatch "\n\t([^\n]-):(%d+): in ([^\n]*)" do
    local module = file:match "^harp/([%w_/]+)%.lua$"
    if not (module and package.preload["harp." .. module:gsub("/", ".")]) then
      return ("%s:%s, in %s"):format(file, line, where)
    end
  end
end

--- What is said of an error that ended a script, and its exit status. An error
-- of Lua has its traceback; one of ours the place in the script.
function outcome.report(failure, traceback, interrupted)
  if not core.is_error(failure) then
    local text = tostring(failure)
    if interrupted and text:find "interrupted$" then return text, outcome.INTERRUPTED end
    return traceback and text .. "\n" .. traceback or text, interrupted and outcome.INTERRUPTED or outcome.SCRIPT_ERROR
  end
  local at = place(traceback)
  return outcome.line(failure) .. (at and "\n      at " .. at or ""), outcome.code(failure)
end

return outcome
