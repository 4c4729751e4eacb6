--- harp job

local caller = require "harp.cli.caller"
local following = require "harp.cli.following"
local harp = require "harp"
local ids = require "harp.cli.ids"
local main = require "harp.cli.main"
local outcome = require "harp.outcome"
local output = require "harp.cli.output"
local reading = require "harp.cli.reading"
local show = require "harp.cli.show"

local NAME = "job"

local details = [[
Tells what became of calls, by the ids of their jobs:

  status    where it is in its life, and what was called
  result    its outcome; not waited for, unless --wait says so
  follow    its packets from the first one on, as they come, then its result
  stream    its packets so far
  cancel    ends it, if it has not ended

]] .. ids.DETAILS .. [[


Values and lines of JSON are as harp call has them, without "host". Ctrl-C
leaves what is followed, which goes on; a second one, soon after, cancels it.

]] .. following.EXIT_STATUS .. [[


A result that is not there yet is an outcome that is not known.]]

local OUTCOMES = { RemoteException = "exception", RemoteError = "error" }

-- "result", "cancelled", "exception" or "error".
local function kind_of(result)
  if result == harp.CALL_CANCELLED then return "cancelled" end
  return harp.is_error(result) and OUTCOMES[result.kind] or "result"
end

-- ---- status ----

local function status_lines(run, status, result)
  local time = status.time
  local state = show.state(status)
  local lines = {
    { "job", output.colour("1", run.job:id()) },
    { "call", show.one_line(("%s %s %s"):format(
      status.call.host, status.call.procedure, show.arguments(status.call.arguments))) },
    { "state", output.colour(show.STATE_COLOURS[state] or "0", state)
      .. (harp.is_error(result) and ": " .. outcome.line(result):gsub(" %[job [^]]*%]", "") or "") },
    { "submitted", show.time(time.submit) },
  }
  if time.start then lines[#lines + 1] = { "started", show.time(time.start) } end
  if time["end"] then
    local took = time.start and (", took %s"):format(show.duration(time["end"] - time.start)) or ""
    lines[#lines + 1] = { "ended", show.time(time["end"]) .. took }
  end
  if status.info ~= nil then lines[#lines + 1] = { "info", show.value(status.info, output.size() - 11) } end
  return lines
end

local function show_status(run, options)
  local status, result = run.job:status(), nil
  if status.state == "ended" then
    result = run.job:result()
    status.outcome = kind_of(result)
  end
  if options.json or not output.is_terminal then
    return output.line(show.record{
      { "job", run.job:id() }, { "state", status.state }, { "outcome", status.outcome }, { "call", status.call },
      { "time", status.time }, { "info", status.info },
    })
  end
  if run.number > 1 then output.line "" end
  for _, line in ipairs(status_lines(run, status, result)) do
    output.line(("%-10s "):format(line[1]) .. line[2]:gsub("\n", "\n" .. (" "):rep(11)))
  end
end

-- ---- the others ----

-- Packets from the first one on, unless something else is said.
local function since(options) return options.since or not options.recent and 0 or nil end

local function show_stream(run, options, reporter)
  for number, data in run.job:stream{ since = since(options), recent = options.recent, numbered = true } do
    reporter:packet(run, number, data)
  end
end

local function cancel(run, options)
  local done = run.job:cancel()
  if options.json or not output.is_terminal then
    return output.line(show.record{ { "job", run.job:id() }, { "cancelled", done } })
  end
  output.line(("%s %s"):format(run.job:id(), done and "cancelled" or "had ended"))
end

local function show_result(run, options, reporter)
  local result = run.job:result{ wait = options.wait }
  if result ~= harp.CALL_NOT_FINISHED then return following.conclude(run, result, reporter) end
  run.status = outcome.UNKNOWN
  output.note(NAME, ("%s has not ended; --wait waits for it"):format(run.job:id()))
end

local function follow(run, options, reporter)
  following.follow(run, reporter, { since = since(options), recent = options.recent })
end

-- What each does with a run: one after the other, in order, or (waits) at once.
local ACTIONS = {
  status = { show_status },
  result = { show_result },
  follow = { follow, waits = true },
  stream = { show_stream },
  cancel = { cancel },
}

local function in_order(runs, work, reporter)
  for _, run in ipairs(runs) do
    local well, failure = pcall(work, run)
    if not well and not harp.is_error(failure) then error(failure, 0) end
    if not well then following.fail(run, failure, reporter) end
    run.status = run.status or outcome.WELL
  end
  return following.worst(runs)
end

local function check(options)
  local action = options.action
  if options.since and options.recent then main.usage "--since and --recent exclude each other" end
  if (options.since or options.recent) and action ~= "follow" and action ~= "stream" then
    main.usage "--since and --recent are for follow and stream"
  end
  if options.wait and action ~= "result" then main.usage "--wait is for result" end
end

local function define(parser)
  parser:argument "action":argname "ACTION":choices{ "status", "result", "follow", "stream", "cancel" }
    :description "status, result, follow, stream or cancel."
  parser:argument "id":argname "ID":args "+":description "Ids of jobs, or their beginnings; \"-\" reads them."
  parser:flag "--wait":description "result: wait for it."
  parser:option "--since":argname "N":convert(reading.number)
    :description "follow, stream: from packet N on; the first is 0."
  parser:option "--recent":argname "N":convert(reading.number)
    :description "follow, stream: from the last N packets on."
  parser:flag "--json":description "Lines of JSON on a terminal, too."
  caller.option(parser)
end

return {
  synopsis = "ACTION ID…",
  purpose = "look at jobs, follow or cancel them, by their ids",
  usage = "Usage: harp job status|result|follow|stream|cancel [OPTION…] ID…",
  details = details,
  examples = {
    { "harp job follow 3f22", "Back to a call: all its packets, the new ones as they come, and its result." },
    { "harp job result --wait 3f22e0d4 81c07a55", "Wait for two." },
    { "harp jobs --host web01 --state queued | harp job cancel -", "Cancel all that waits for a host." },
  },
  define = define,
  run = function(options)
    check(options)
    local rpc, runs = caller.open(options), {}
    caller.reach(rpc)
    for i, job in ipairs(ids.jobs(rpc, options.id)) do
      runs[i] = { job = job, number = i, label = job:id():sub(1, 8) }
    end
    local action, reporter = ACTIONS[options.action], require "harp.cli.reporter"(NAME, runs, options.json)
    local function work(run) return action[1](run, options, reporter) end
    if action.waits or options.wait then return following.run(NAME, runs, work, reporter) end
    return in_order(runs, work, reporter)
  end,
}
