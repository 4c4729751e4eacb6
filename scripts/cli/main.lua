--- The subcommands: each is a file of this folder, which returns
--
--     synopsis   what stands behind its name, such as "HOST PROC [ARG…]"
--     usage      the first lines of --help, where argparse cannot know them
--     purpose    one line
--     details    text for --help (optional)
--     examples   list of { command line, what it does } (optional)
--     define     function(parser): its arguments and options, as argparse has
--                them (optional). A command in C says here what it has, for
--                help and completion
--     hidden     true when people are not told of it
--     run        function(options) → exit status (default 0); not there when
--                the command is C, which then reads its own options
--
-- What is raised becomes a line on standard error and an exit status; an
-- integer that is raised is the exit status, without a line.

local command_line = require "harp.command_line"
local core = require "harp.core"
local outcome = require "harp.outcome"

local main = {}

--- The description of a subcommand.
function main.command(name) return require("harp.cli." .. name) end

-- ---- arguments ----

--- The parser of a subcommand. harp.cli.page prints its help.
function main.parser(name)
  local argparse = require "argparse"
  local command = main.command(name)
  local parser = argparse("harp " .. name):add_help(false)
  if command.usage then parser:usage(command.usage) end
  if command.define then command.define(parser) end
  parser:flag "-h --help":description "This text."
  return parser
end

-- ---- running ----

local function complain(name, text, status)
  io.stderr:write(("harp %s: %s\n"):format(name, text))
  return status
end

--- Raises that the command line, which argparse has let pass, makes no sense.
function main.usage(text)
  error(core.error{ kind = "UsageError", type = "usage", message = text }, 0)
end

-- What a command raised: its exit status. An integer is one already, of what
-- has been said.
local function conclude(name, failure)
  if math.type(failure) == "integer" then return failure end
  if core.is_error(failure) and failure.type == "usage" then
    return complain(name, ("%s; see harp %s --help"):format(failure.message, name), outcome.USAGE)
  end
  if type(failure) ~= "string" then return complain(name, outcome.line(failure), outcome.code(failure)) end
  if failure:find "^[^\n]*interrupted\n" then
    require "harp.cli.output".end_line()
    return outcome.INTERRUPTED
  end
  return complain(name, failure, outcome.SCRIPT_ERROR)
end

local function print_help(name) require "harp.cli.output".line(require "harp.cli.page".of(name)) end

--- Runs a subcommand; returns the exit status. main.words are its words.
function main.run(name, argv)
  main.words = argv
  local run, options = print_help, name
  if not command_line.asks_for_help(argv) then
    local well
    well, options = command_line.parse(main.parser(name), argv)
    if not well then return complain(name, ("%s; see harp %s --help"):format(options, name), outcome.USAGE) end
    run, options = main.command(name).run, command_line.unmarked(options)
  end
  local ok, status = xpcall(run, function(failure)
    if type(failure) == "string" then return debug.traceback(failure, 2) end
    return failure
  end, options)
  if ok then return status or outcome.WELL end
  return conclude(name, status)
end

return main
