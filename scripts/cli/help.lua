--- harp help

local main = require "harp.cli.main"
local outcome = require "harp.outcome"

-- All of them, in the order in which they are told of; the program sets it.
local names = require "harp.cli.names"

local function list()
  print "harp: remote calls from Lua\n"
  for _, name in ipairs(names) do
    local command = main.command(name)
    print(("  harp %-34s %s"):format(name .. " " .. command.synopsis, command.purpose))
  end
  print "\nharp help COMMAND, or harp COMMAND --help, says more.\n\nExit status:"
  for code = 0, #outcome.NAMES do print(("  %d  %s"):format(code, outcome.NAMES[code])) end
end

return {
  synopsis = "[COMMAND]",
  purpose = "this list, or all about a command",
  define = function(parser)
    parser:argument "command":description "Of which one.":args "?"
  end,
  run = function(options)
    if not options.command then return list() end
    for _, name in ipairs(names) do
      if name == options.command then return print(main.parser(name):get_help()) end
    end
    io.stderr:write(("harp help: there is no command %q; harp help lists them\n"):format(options.command))
    return outcome.USAGE
  end,
}
