--- harp help

local outcome = require "harp.outcome"
local output = require "harp.cli.output"

local function text(name, as_man)
  if not as_man then
    local page = require "harp.cli.page"
    return name and page.of(name) or page.of_harp()
  end
  local article = require "harp.cli.article"
  return require "harp.cli.man".of(name and article.of(name) or article.of_harp())
end

return {
  synopsis = "[COMMAND]",
  purpose = "what there is, or all about one command",
  examples = {
    { "harp help", "lists the commands, and says what to try first" },
    { "harp help run", "says all about one, as `harp run --help` does" },
    { "harp help --man run | man -l -", "shows its manual page, where harp is not installed" },
  },
  define = function(parser)
    parser:argument "command":description "Of which one.":args "?":argname "COMMAND"
    parser:flag "--man":description "As a manual page, for `man -l -`."
  end,
  run = function(options)
    local name = options.command
    local commands = require "harp.cli.article".commands()
    for _, command in ipairs(commands) do
      if name == nil or command == name then
        output.line(text(name, options.man))
        return outcome.WELL
      end
    end
    io.stderr:write(("harp help: there is no command %q%s; `harp help` lists them\n"):format(
      name, require "harp.cli.similar".hint(name, commands)))
    return outcome.USAGE
  end,
}
