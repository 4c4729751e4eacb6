--- harp attach

local caller = require "harp.cli.caller"
local core = require "harp.core"
local harp = require "harp"
local interrupts = require "harp.interrupts"
local journal = require "harp.batch.journal"
local outcome = require "harp.outcome"
local output = require "harp.cli.output"
local watching = require "harp.batch.watching"

local NAME = "attach"

local details = [[
Shows a run of a batch as it goes on, from where it is now: what its hosts say,
how they end, how far it is; at the end its summary. RUN is the id of a run or
its name, which means the latest of that name. Nothing is changed by that, and
Ctrl-C only leaves.

When nobody runs it any more, the jobs that it left are shown until they have
ended; `harp run --resume RUN` goes on with it. On another machine than the one
that it was begun on, the jobs of the run are found by asking the dispatcher, as
long as it is one of harp's own and RUN is the whole id.

Exit status: that of the run, the worst of its outcomes; 130: left by Ctrl-C.]]

-- The journal's record; nil and the error where there is none here.
local function find(word)
  local well, found = pcall(journal.find, word)
  if well then return found end
  if core.is_error(found) and found.type == "no_run" then return nil, found end
  error(found, 0)
end

-- The dispatcher that the run is at, unless another one is asked for. The
-- default one is that with all that the configuration says of it.
local function open(options, record)
  local rpc = caller.open(options)
  local is_same = record and record.caller and tostring(rpc) == "caller at " .. record.caller
  if options.caller or is_same or not record or not record.caller then return rpc end
  return harp.caller(record.caller)
end

local function watch(options, record, observer)
  local how = { rpc = open(options, record), observer = observer, all = options.all }
  if record then
    how.run = record.run
    return watching.journal(how)
  end
  how.run = options.run
  return watching.jobs(how), true
end

-- That a dispatcher which nobody asked for cannot list jobs, or be reached, is
-- not why there is no such run here.
local function is_no_matter(options, failure)
  return core.is_error(failure, "UsageError") or not options.caller and core.is_error(failure, "CommunicationError")
end

local function watch_or_raise(options, observer)
  local record, missing = find(options.run)
  local well, found, is_running = pcall(watch, options, record, observer)
  if not well then error(missing and is_no_matter(options, found) and missing or found, 0) end
  if not found then error(missing, 0) end
  return found, is_running
end

local function print_summary(record)
  for _, line in ipairs(require "harp.batch.summary".lines(record, (output.size()))) do output.line(line) end
end

-- Of one that was left nobody knows more than what was seen.
local function status_of(record)
  local status = record:status()
  if status == outcome.WELL and record.counts.waiting + record.counts.running > 0 then return outcome.SCRIPT_ERROR end
  return status
end

local function run(options)
  local how = options.json and "jsonl" or "auto"
  local observer <close> = require "harp.batch.show".choose{ show = how, out = io.stdout }
  local record, is_running
  local ended = interrupts.attend(function() record, is_running = watch_or_raise(options, observer) end, function()
    observer:close()
    output.end_line()
    return outcome.INTERRUPTED
  end)
  if ended ~= true then return ended end
  observer:close()
  if not is_running and not record.finished then output.note(NAME, ("nobody runs %s"):format(record.run)) end
  if not options.json then print_summary(record) end
  return output.status(status_of(record))
end

return {
  synopsis = "RUN",
  purpose = "show a run of a batch, as it goes on",
  usage = "Usage: harp attach [OPTION…] RUN",
  details = details,
  examples = {
    { "harp attach restart-nginx", "The latest run of that name." },
    { "harp attach --all --json restart-nginx-k3f9qa | jq .", "All that has happened in a run, and what goes on." },
  },
  define = function(parser)
    parser:argument "run":argname "RUN":description "A run: its id, or its name."
    parser:flag "--all":description "Show what was before, too."
    parser:flag "--json":description "Each event as a line of JSON."
    caller.option(parser)
  end,
  run = run,
}
