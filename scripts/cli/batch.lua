--- harp batch

local batch = require "harp.batch"
local caller = require "harp.cli.caller"
local harp = require "harp"
local main = require "harp.cli.main"
local options = require "harp.batch.options"
local output = require "harp.cli.output"
local reading = require "harp.cli.reading"
local session = require "harp.batch.session"
local show = require "harp.cli.show"

local details = [[
Calls PROC on all HOSTS, so many at once, in waves if you like, and keeps a
journal of it: a run that was left, or that died, goes on where it was, by
harp run --resume RUN, and no call is made twice.

HOSTS is a selection, in one word: names and ranges with commas between them
(web[01-20],db01), globs over the dispatcher's hosts (web*), @GROUP of the
configuration, @RUN:failed of an earlier run, a file (./hosts), and !NAME for
those that are not meant. harp hosts tells whom it means. ARG is as harp call
has it.

On a terminal each host's lines are shown as they come, and below them how far
it is; elsewhere each event is a line. At the end there is a summary. Ctrl-C
leaves the run: what has begun goes on; harp attach RUN shows it. A second one,
soon after, cancels what runs.

Exit status, of several hosts the first of these that one has: 8 the outcome is
not known, 6 unreachable, 7 timeout, 4 error, 3 exception of the procedure,
5 cancelled, 0 well; 1 when it was stopped before all hosts, or its output could
not be written; 130 left by Ctrl-C.]]

local function define_item(parser, item)
  local name, argname, text, read = table.unpack(item, 1, 4)
  if not argname then return parser:flag(name):description(text) end
  local option = parser:option(name):argname(argname):description(text)
  if read then option:convert(read) end
  if item.choices then option:choices(item.choices) end
end

local function define(parser)
  parser:argument "hosts":argname "HOSTS":description "A selection of hosts; see harp hosts."
  parser:argument "procedure":argname "PROC":description "A procedure; see harp procedures."
  parser:argument "argument":argname "ARG":args "*":description "Its arguments."
  for _, item in ipairs(options.LIST) do define_item(parser, item) end
  parser:option "--resume":argname "RUN":hidden(true)
  caller.option(parser)
end

local function step(procedure, arguments)
  if harp.is_array(arguments) then
    return function(host) return host:procedure(procedure)(table.unpack(arguments)) end
  end
  return function(host) return host:procedure(procedure)(harp.named(arguments)) end
end

-- Has every host failed, one of them since it has no such procedure?
local function lacks_procedure(run)
  if #run.failed < #run.hosts then return false end
  for _, name in ipairs(run.failed) do
    if run.results[name].type == "no_such_procedure" then return true end
  end
  return false
end

-- By its signs, or by the dispatcher's list, where it has one.
local function is_of_hosts(word, rpc)
  if word:find "[@,*?%[]" then return true end
  local _, found = pcall(function()
    for host in rpc:hosts() do
      if host.name == word then return true end
    end
  end)
  return found == true
end

-- "web01 web02 uptime" asks web01 for its procedure web02.
local function hint(run, values, rpc)
  if lacks_procedure(run) and is_of_hosts(values.procedure, rpc) then
    output.note("batch", show.one_line(("hosts are one word: %s,%s"):format(values.hosts, values.procedure)))
  end
end

-- A run of this command is taken up when it is asked for, or has a name.
local function run(values)
  if values.resume then session.resume(values.resume) end
  session.set_command("batch", main.words)
  local fields = options.fields(values)
  fields.hosts, fields.step = values.hosts, step(values.procedure, reading.arguments(values.argument))
  fields.caller, fields.out = caller.open(values), io.stdout
  fields.resume = fields.resume ~= false and fields.name ~= nil
  fields.name = fields.name or session.name_of(values.procedure)
  local ended = batch.run(fields)
  hint(ended, values, fields.caller)
  return output.status(ended.code)
end

return {
  synopsis = "HOSTS PROC [ARG…]",
  purpose = "call a procedure on many hosts, in waves, with a journal",
  usage = "Usage: harp batch [OPTION…] HOSTS PROC [ARG…]",
  details = details,
  examples = {
    { "harp batch 'web[01-20]' uptime", "On twenty hosts." },
    { "harp batch --serial 1,10%,100% --max-fail 5% 'web*' restart_service nginx", "In waves, while all is well." },
    { "harp batch --limit @uptime:failed 'web*' uptime", "Again, where it failed the last time." },
    { "harp batch --dry-run 'web*,!web07' uptime", "What would be done." },
    { "harp batch --report page.html --jsonl all uptime | jq .host", "A page, and lines of JSON." },
  },
  define = define,
  run = run,
}
