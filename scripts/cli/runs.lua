--- harp runs: the runs of batches, by their journals on this machine.

local core = require "harp.core"
local hosts = require "harp.batch.hosts"
local journal = require "harp.batch.journal"
local main = require "harp.cli.main"
local outcome = require "harp.outcome"
local outcomes = require "harp.batch.outcomes"
local output = require "harp.cli.output"
local reading = require "harp.cli.reading"
local show = require "harp.cli.show"
local tables = require "harp.cli.table"

local NAME = "runs"

local details = [[
The runs of batches that were started here, the newest first: on a terminal a
table, elsewhere or with --json a line of JSON for each. FAILED counts hosts that
ended but were not ok. A run is

  running           some process has it; harp attach RUN shows it
  unfinished        it was left or killed; harp run --resume RUN goes on
  finished          every host was reached
  stopped           it began no more hosts: too many had failed

With an ACTION something is done with some of them:

  show              what became of it, and of its hosts; in lines of JSON a line
                    for each host
  hosts             the names of its hosts, a line each; RUN:WORD those that
                    WORD means: failed, ok, unknown, not_reached …
  remove            forgets it, with all that its hosts returned

RUN is the id of a run, its beginning if no other id begins so, or the name of a
batch, for the latest run of it. The files are in $XDG_STATE_HOME/harp/runs
(~/.local/state/harp/runs). Runs that ended more than 90 days ago are removed when
another begins; keep_runs of the configuration says otherwise (harp config).]]

-- ---- what there is ----

local STATE_COLOURS = { running = "36", unfinished = "33", finished = "32", stopped = "31" }

local function state_of(record)
  if journal.is_running(record.run) then return "running" end
  if not record.finished then return "unfinished" end
  return record.stopped and "stopped" or "finished"
end

-- A record with a few sums; nil, and why, for a journal that is damaged. One
-- without an event is no run.
local function look_at(run)
  local well, record = pcall(journal.read, run)
  if not well and not core.is_error(record) then error(record, 0) end
  if not well then return nil, record.message end
  if not record then return nil end
  local state = state_of(record)
  local to = state == "running" and core.time() or record.finished or record.latest
  return {
    record = record, state = state, failed = outcomes.failures(record.counts), ok = record.counts.ok or 0,
    took = math.max(to - record.time, 0), not_reached = (record.counts.not_reached or 0) + record.counts.waiting,
  }
end

-- All of them, the newest first.
local function look_at_all()
  local list = {}
  for _, run in ipairs(journal.list()) do
    local one, reason = look_at(run)
    list[#list + 1] = one
    if reason then
      output.note(NAME, show.one_line(("%s is left out: %s; harp runs remove %s"):format(run, reason, run)))
    end
  end
  table.sort(list, function(a, b)
    if a.record.time ~= b.record.time then return a.record.time > b.record.time end
    return a.record.run > b.record.run
  end)
  return list
end

local function is_wanted(one, options)
  return (not options.name or one.record.name == options.name) and (not options.failed or one.failed > 0)
    and (not options.unfinished or one.state == "unfinished")
end

-- ---- the list ----

local COLUMNS = {
  { name = "RUN", gives_way = true }, { name = "STATE", colour = function(state) return STATE_COLOURS[state] end },
  { name = "HOSTS" }, { name = "OK" }, { name = "FAILED", colour = function(text) return text ~= "0" and "31" end },
  { name = "NOT REACHED" }, { name = "AGE" }, { name = "TOOK", optional = true },
}

local function describe(one)
  return {
    RUN = one.record.run, STATE = one.state, HOSTS = tostring(#one.record.hosts), OK = tostring(one.ok),
    FAILED = tostring(one.failed), ["NOT REACHED"] = tostring(one.not_reached), AGE = show.age(one.record.time),
    TOOK = show.duration(one.took),
  }
end

local function record_of(one)
  local record = one.record
  return {
    { "run", record.run }, { "name", record.name }, { "state", one.state }, { "stopped", record.stopped },
    { "hosts", #record.hosts }, { "ok", one.ok }, { "failed", one.failed }, { "not_reached", one.not_reached },
    { "counts", record.counts }, { "time", { start = record.time, ["end"] = record.finished } },
  }
end

local function list(options)
  local all, at = look_at_all(), 0
  local function following()
    repeat at = at + 1 until not all[at] or is_wanted(all[at], options)
    return all[at]
  end
  tables.print(following, {
    command = NAME, none = "there are none", json = options.json, columns = COLUMNS, describe = describe,
    record = record_of,
  })
end

-- ---- the end of them ----

local function session_of(record) return record.session or record.run end

-- Of a session in which a run is not over none is removed: its recipe would run
-- it again.
local function prune(options)
  journal.sweep()
  local before, removed, kept = os.time() - options.prune, 0, 0
  local all, left = look_at_all(), {}
  for _, one in ipairs(all) do
    if not one.record.finished then left[session_of(one.record)] = true end
  end
  for _, one in ipairs(all) do
    local is_old = one.state ~= "running" and one.record.latest < before and is_wanted(one, options)
    if is_old and left[session_of(one.record)] and not (options.all or options.unfinished) then
      kept = kept + 1
    elseif is_old and journal.remove(one.record.run) then
      removed = removed + 1
    end
  end
  if options.json or not output.is_terminal then
    return output.line(show.record{ { "removed", removed }, { "unfinished", kept } })
  end
  output.line(("removed %d %s%s"):format(removed, removed == 1 and "run" or "runs",
    kept > 0 and ("; kept %d of unfinished scripts, which --all removes, too"):format(kept) or ""))
end

-- The id that a word means; one whose journal is damaged must be written whole.
local function id_of(word)
  for _, run in ipairs(journal.list()) do
    if run == word then return run end
  end
  return journal.find(word).run
end

local function remove(word, options)
  local run = id_of(word)
  if not journal.remove(run) then
    output.note(NAME, ("%s is running: it stays"):format(run))
    return outcome.SCRIPT_ERROR
  end
  local is_json = options.json or not output.is_terminal
  output.line(is_json and show.record{ { "run", run }, { "removed", true } } or run .. " removed")
end

-- ---- one of them ----

local function print_hosts(word)
  local run, list_name = word:match "^(.*):([^:]*)$"
  for _, name in ipairs(hosts.of_run(journal.find(run or word), list_name or "all")) do
    output.line(show.one_line(name))
  end
end

local FIELDS = { "name", "state", "outcome", "value", "message", "type", "job", "attempts", "start", "stop" }

local function print_host_records(record)
  for _, name in ipairs(record.hosts) do
    local fields = { { "run", record.run } }
    for i, field in ipairs(FIELDS) do
      fields[i + 1] = { field == "name" and "host" or field, record.by_host[name][field] }
    end
    output.line(show.record(fields))
  end
end

local function show_run(word, options)
  local record = journal.find(word)
  if options.report then require "harp.batch.report".write(options.report, record) end
  if options.junit then require "harp.batch.junit".write(options.junit, record) end
  if options.json or not output.is_terminal then return print_host_records(record) end
  local columns = output.size()
  for _, line in ipairs(require "harp.batch.summary".lines(record, columns)) do output.line(line) end
end

-- ---- the command ----

local ACTIONS = { show = show_run, hosts = print_hosts, remove = remove }

local function check(options)
  local action = options.action
  if action and not options.run[1] then main.usage(("%s needs a RUN"):format(action)) end
  if action and options.prune then main.usage(("--prune is of no use with %s"):format(action)) end
  if action and (options.name or options.failed or options.unfinished) then
    main.usage(("--name, --failed and --unfinished are of no use with %s"):format(action))
  end
  if (options.report or options.junit) and (action ~= "show" or options.run[2]) then
    main.usage "--report and --junit are for show, and one RUN"
  end
  if options.all and not options.prune then main.usage "--all is for --prune" end
end

local function define(parser)
  parser:argument "action":argname "ACTION":args "?":choices{ "show", "hosts", "remove" }
    :description "show, hosts or remove."
  parser:argument "run":argname "RUN":args "*":description "Which ones."
  parser:option "--name":argname "NAME":description "Those of batches with this name."
  parser:flag "--failed":description "Those with hosts that failed."
  parser:flag "--unfinished":description "Those that were left or killed."
  parser:option "--prune":argname "AGE":convert(reading.seconds)
    :description "Remove those that ended longer ago, 30d or 12h. What runs stays, and what is unfinished."
  parser:flag "--all":description "--prune: the unfinished ones as well."
  parser:option "--report":argname "FILE":description "show: write a page of HTML about it, too."
  parser:option "--junit":argname "FILE":description "show: write a JUnit file, too."
  tables.json_option(parser)
end

return {
  synopsis = "[ACTION RUN…]",
  purpose = "list the runs of batches, look at them, remove them",
  usage = [=[
Usage: harp runs [OPTION…]
       harp runs show|hosts|remove [OPTION…] RUN…]=],
  details = details,
  examples = {
    { "harp runs --unfinished", "What can be resumed." },
    { "harp runs show restart-nginx", "What became of the latest run of that name." },
    { "harp runs show restart-nginx-k3f9qa --report run.html", "A page about it." },
    { "harp runs hosts restart-nginx:failed", "The hosts that failed; harp hosts @restart-nginx:failed, too." },
    { "harp runs --prune 30d", "Forget what is older." },
  },
  define = define,
  run = function(options)
    check(options)
    if not options.action then return (options.prune and prune or list)(options) end
    local statuses = {}
    for i, word in ipairs(options.run) do
      statuses[i] = ACTIONS[options.action](word, options) or outcome.WELL
    end
    return outcome.worst(statuses)
  end,
}
