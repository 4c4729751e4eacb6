--- harp repl: its options are read in runtime/cli/repl.c.

return {
  synopsis = "[--local]",
  purpose = "a prompt; `harp` alone on a terminal is one",
  usage = "Usage: harp repl [OPTION…]",
  details = [=[
harp and rpc, the default caller, are there; :help tells the rest. What was
typed is kept in $XDG_STATE_HOME/harp/history (~/.local/state), but for lines
that carry a secret. NO_COLOR turns colours off.]=],
  examples = {
    { "harp", "the same, on a terminal" },
    { "harp repl --local --hosts web01,web02", "try it on two hosts that are this machine" },
  },
  define = function(parser)
    require "harp.cli.caller".option(parser)
    require "harp.cli.stack_options"(parser, "this prompt")
  end,
}
