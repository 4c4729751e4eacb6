--- harp call

local caller = require "harp.cli.caller"
local following = require "harp.cli.following"
local harp = require "harp"
local interrupts = require "harp.interrupts"
local main = require "harp.cli.main"
local outcome = require "harp.outcome"
local output = require "harp.cli.output"
local reading = require "harp.cli.reading"
local server = require "harp.cli.server"
local show = require "harp.cli.show"

local NAME = "call"

local details = [[
Calls PROC on each HOST, on all of them at once, and waits for the results.
An argument is JSON where it is JSON, else a text: 5, true, '{"a": 1}', web;
'"5"' is a text. With names, NAME=ARG, all have one. "-" alone reads JSON from
standard input: an array or an object is all of the arguments, anything else
the only one; beside others "-" is that one. What begins with a dash, and is no
number, comes behind "--".

On a terminal the packets of a stream are shown as they come, after the host's
name where there are several, then the result, behind "=>" when packets came
before it. A text is shown as it is, unless it looks like JSON; all else is
JSON. Elsewhere, or with --json, all is lines of JSON on standard output, and
each host has one that ends it:

  {"host":…,"job":ID,"packet":NUMBER,"data":…}
  {"host":…,"job":ID,"result":…}
  {"host":…,"job":ID,"exception":{"type":…,"message":…,"data":…}}
  {"host":…,"job":ID,"error":{"type":…,"message":…,"data":…}}
  {"host":…,"job":ID,"cancelled":true}

"job" is left out where there is none. Ctrl-C leaves the jobs, which go on, and
says how to come back; a second one, soon after, cancels them. With --direct
the first cancels.

]] .. following.EXIT_STATUS

-- ---- options ----

local function define_limits(parser)
  parser:option "--queue":argname "QUEUE":convert(reading.queue)
    :description("Wait in this queue of the dispatcher's: a name (5 and null are names), or an object, "
      .. "such as '{\"service\": \"web\"}'.")
  parser:option "--concurrency":argname "N":convert(reading.count)
    :description "How many of the queue run at once, where it does not exist yet; default 1."
  parser:option "--timeout":argname "TIME":convert(reading.seconds)
    :description "The longest silence of a job: seconds, or such as 90s, 10m, 1h."
  parser:option "--max-exec-time":argname "TIME":convert(reading.seconds)
    :description "How long a job may run in all."
  parser:option "--info":argname "INFO"
    :description "A note to keep with the job, JSON or a text; `harp jobs --info` finds it."
  parser:flag "--detach":description "Do not wait: print the ids of the jobs, a line each."
end

local function define(parser)
  parser:argument "host":argname "HOST[,HOST...]":description "Hosts, as the dispatcher knows them; see harp hosts."
  parser:argument "procedure":argname "PROC":description "A procedure; see harp procedures."
  parser:argument "argument":argname "ARG":args "*":description "Its arguments."
  define_limits(parser)
  server.options(parser)
  parser:flag "--json":description "Lines of JSON on a terminal, too."
  caller.option(parser)
end

local THROUGH = { "queue", "concurrency", "timeout", "max_exec_time", "info", "detach" }

local function check(options)
  server.check(options, THROUGH)
  if options.concurrency and not options.queue then main.usage "--concurrency needs a --queue" end
end

local function runs_of(hosts)
  local runs = {}
  for host in (hosts .. ","):gmatch "([^,]*)," do
    if host == "" then main.usage(("'%s' has an empty host in it"):format(hosts)) end
    runs[#runs + 1] = { host = host, label = host }
  end
  return runs
end

-- ---- calls ----

-- Positional ones are spread, named ones one table.
local function call(procedure, arguments)
  if harp.is_array(arguments) then return procedure(table.unpack(arguments)) end
  return procedure(harp.named(arguments))
end

-- A function that submits the call of a run.
local function submitter(options, arguments)
  local rpc = caller.open(options)
  local terms = {
    queue = options.queue, concurrency = options.concurrency, timeout = options.timeout,
    max_exec_time = options.max_exec_time, info = options.info and reading.value(options.info),
  }
  return function(run) run.job = call(rpc:host(run.host, terms):procedure(options.procedure), arguments) end
end

local function print_ids(runs, json)
  for _, run in ipairs(runs) do
    if run.job then
      output.line(json and show.record{ { "host", run.host }, { "job", run.job:id() } } or run.job:id())
    end
  end
end

-- Failures are for people here: standard output has nothing but ids.
local function complainer(runs)
  return { failure = function(_, run, failure)
    output.note(NAME, show.one_line((runs[2] and run.host .. ": " or "") .. outcome.line(failure)))
  end }
end

local function detached(runs, submit, options)
  following.each(runs, function(run)
    submit(run)
    run.status = outcome.WELL
  end, complainer(runs))
  print_ids(runs, options.json)
  return following.worst(runs)
end

local function through_dispatcher(runs, options, arguments, reporter)
  local submit = submitter(options, arguments)
  if options.detach then return detached(runs, submit, options) end
  return following.run(NAME, runs, function(run)
    submit(run)
    following.follow(run, reporter, { since = 0 })
  end, reporter)
end

-- ---- calls without a dispatcher ----

-- A stream's last item is its result.
local function tell(run, reporter, answer, ...)
  if getmetatable(answer) == nil or not getmetatable(answer).__call then
    return following.conclude(run, answer, reporter)
  end
  local number = 0
  for item in answer, ... do
    if harp.is_result(item) then
      following.conclude(run, item.value, reporter)
    else
      reporter:packet(run, number, item)
      number = number + 1
    end
  end
end

local function directly(runs, options, arguments, reporter)
  for _, run in ipairs(runs) do run.server = server.open(run.host, options) end
  local ended = interrupts.attend(function()
    following.each(runs, function(run)
      tell(run, reporter, call(run.server:procedure(options.procedure), arguments))
    end, reporter, true)
  end, function()
    output.end_line()
    output.note(NAME, "cancelled")
    return outcome.CANCELLED
  end)
  return ended == true and following.worst(runs) or ended
end

return {
  synopsis = "HOST[,HOST…] PROC [ARG…]",
  purpose = "call a procedure, on one host or on many",
  usage = "Usage: harp call [OPTION…] HOST[,HOST…] PROC [ARG…]",
  details = details,
  examples = {
    { "harp call web01 disk_usage /", "One argument, a text." },
    { "harp call web01,web02,web03 sum_and_difference a=7 b=2", "On three hosts at once, arguments by name." },
    { "harp call --detach --queue backup db01 dump main | harp job follow -", "Its id, and back to it." },
    { "harp call web01 uptime | jq .result.load", "Lines of JSON, for other programs." },
    { "harp call --direct --user me --pin sha256//… web01:4306 uptime", "Without a dispatcher." },
  },
  define = define,
  run = function(options)
    check(options)
    local runs, arguments = runs_of(options.host), reading.arguments(options.argument)
    local reporter = require "harp.cli.reporter"(NAME, runs, options.json)
    return (options.direct and directly or through_dispatcher)(runs, options, arguments, reporter)
  end,
}
