--- What was said is neither a command nor a file; the program comes here.

local outcome = require "harp.outcome"

return {
  hidden = true,
  synopsis = "WORD",
  purpose = "says that there is no such command",
  define = function(parser) parser:argument "word" end,
  run = function(options)
    local commands = require "harp.cli.article".commands()
    local hint = require "harp.cli.similar".hint(options.word, commands)
    io.stderr:write(("harp: there is no command or script %q%s\n"):format(
      options.word, hint ~= "" and hint or "; `harp help` lists the commands"))
    return outcome.USAGE
  end,
}
