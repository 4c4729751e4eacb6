--- harp jobs

local caller = require "harp.cli.caller"
local core = require "harp.core"
local interrupts = require "harp.interrupts"
local introspection = require "harp.introspection"
local main = require "harp.cli.main"
local outcome = require "harp.outcome"
local output = require "harp.cli.output"
local reading = require "harp.cli.reading"
local show = require "harp.cli.show"
local tables = require "harp.cli.table"
local width = require "harp.cli.width"

local NAME = "jobs"
local AROUND = 3                -- lines of a screen besides the jobs: header, note, prompt
local PAUSE = 1                 -- seconds between two looks of --watch
local HOME, REST_OF_LINE, REST_OF_SCREEN = "\27[H", "\27[K", "\27[J"

local details = [[
The jobs of the dispatcher, the newest first: on a terminal a table of as many
as fit, elsewhere or with --json a line of JSON for each of them all. AGE is the
time since it was submitted, TOOK how long it ran; a state "done" is an end with
a result. The beginning of an id will do for harp job. The table leaves out what
completion and harp procedures ask for, harp.procedures, unless --procedure names
it.

--watch draws the table again and again until Ctrl-C.]]

local COLUMNS = {
  { name = "ID" },
  { name = "STATE", colour = function(state) return show.STATE_COLOURS[state] end },
  { name = "HOST", gives_way = true },
  { name = "PROCEDURE", gives_way = true },
  { name = "ARGUMENTS", gives_way = true, optional = true },
  { name = "QUEUE", gives_way = true, optional = true },
  { name = "AGE" },
  { name = "TOOK", optional = true },
  { name = "INFO", gives_way = true, optional = true },
}

local function present(text)
  if text ~= "" then return text end
end

local function took(time)
  return time.start and show.duration((time["end"] or os.time()) - time.start)
end

local function describe(job)
  return {
    ID = job.id:sub(1, 8), STATE = show.state(job), HOST = job.host, PROCEDURE = job.procedure,
    ARGUMENTS = present(show.arguments(job.arguments)), QUEUE = show.queue(job.queue),
    AGE = show.age(job.time.submit), TOOK = took(job.time),
    INFO = job.info ~= nil and show.value(job.info, math.huge) or nil,
  }
end

local FIELDS = { "id", "host", "procedure", "arguments", "queue", "info", "state", "outcome", "time" }

local function record(job)
  local fields = {}
  for i, name in ipairs(FIELDS) do fields[i] = { name, job[name] } end
  return fields
end

local function filter(options)
  return {
    host = options.host, procedure = options.procedure, queue = options.queue, state = options.state,
    since = options.since, info = options.info, limit = options.limit,
  }
end

-- ---- a table ----

-- The rows of the newest jobs, and whether there are more than so many, where
-- nobody has said how many. What harp has asked itself is no news to people.
local function newest(rpc, options, most)
  local chosen, rows = filter(options), {}
  chosen.limit = nil
  for job in rpc:jobs(chosen) do
    if options.procedure or job.procedure ~= introspection.PROCEDURE then
      if #rows == most then return rows, true end
      rows[#rows + 1] = describe(job)
      if #rows == options.limit then return rows, false end
    end
  end
  return rows, false
end

-- The lines of a table, with a word about those that do not fit.
local function lines_of(rpc, options)
  local _, height = output.size()
  local most = options.limit or math.max(height - AROUND, 5)
  local rows, more = newest(rpc, options, most)
  if not rows[1] then return nil end
  local lines = tables.lines(COLUMNS, rows)
  return lines, more and ("the newest %d; --limit N shows more"):format(most)
end

local function print_table(rpc, options)
  local lines, more = lines_of(rpc, options)
  if not lines then return output.note(NAME, "there are none") end
  for _, line in ipairs(lines) do output.line(line) end
  if more then output.line(output.colour("2", more)) end
end

-- ---- watching ----

-- What does not fit the window is left out: it would scroll.
local function draw(rpc, options)
  local columns, height = output.size()
  local well, lines = pcall(lines_of, rpc, options)
  if not well and not core.is_error(lines) then error(lines, 0) end
  if not well then lines = { width.cut(show.one_line(outcome.line(lines)), columns) } end
  lines = table.move(lines or { "there are none" }, 1, math.min(lines and #lines or 1, height - 2), 1, {})
  lines[#lines + 1] = output.colour("2", width.cut(("%s  Ctrl-C ends"):format(os.date "%H:%M:%S"), columns))
  output.write(HOME .. table.concat(lines, REST_OF_LINE .. "\n") .. REST_OF_LINE .. "\n" .. REST_OF_SCREEN)
end

local function watch(rpc, options)
  if not output.is_terminal or options.json then main.usage "--watch needs a terminal" end
  lines_of(rpc, options)        -- what is wrong with the dispatcher at first is an error
  output.write(HOME .. REST_OF_SCREEN)
  interrupts.attend(function()
    while true do
      draw(rpc, options)
      core.sleep(PAUSE)
    end
  end, output.end_line)
end

local function define(parser)
  parser:option "--host":argname "NAME":description "Of this host."
  parser:option "--procedure":argname "NAME":description "Of this procedure."
  parser:option "--queue":argname "QUEUE":convert(reading.queue)
    :description "Of this queue: a name, or an object, as harp call has it."
  parser:option "--state":argname "STATE":choices{ "queued", "running", "ended" }
    :description "queued, running or ended."
  parser:option "--since":argname "TIME":convert(reading.since)
    :description "Submitted since then: 10m, 1h or 2d ago, or 2026-11-25, or '2026-11-25 14:30'."
  parser:option "--info":argname "TEXT":description "With this text in their note, which is JSON."
  parser:option "--limit":argname "N":convert(reading.count):description "At most so many."
  parser:flag "--watch":description "Again and again, until Ctrl-C."
  tables.json_option(parser)
  caller.option(parser)
end

return {
  synopsis = "[OPTION…]",
  purpose = "list the jobs of the dispatcher",
  usage = "Usage: harp jobs [OPTION…]",
  details = details,
  examples = {
    { "harp jobs --state running --watch", "What runs now, drawn anew each second." },
    { "harp jobs --host web01 --since 1h", "What was asked of a host in the last hour." },
    { "harp jobs --since 1d | jq -r 'select(.outcome == \"error\") | .id'", "The ids of what failed today." },
  },
  define = define,
  run = function(options)
    local rpc = caller.open(options)
    if options.watch then return watch(rpc, options) end
    if output.is_terminal and not options.json then return print_table(rpc, options) end
    local jobs <close> = rpc:jobs(filter(options))
    for job in jobs do output.line(show.record(record(job))) end
  end,
}
