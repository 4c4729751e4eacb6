--- harp repl: its options are read in runtime/cli/repl.c.

return {
  synopsis = "[--local]",
  purpose = "a prompt; `harp` alone on a terminal is one",
  usage = "Usage: harp repl [OPTION…]",
  details = [=[
  --caller ADDRESS    the dispatcher that rpc is, instead of the default one
  --local             start a dispatcher and a daemon for this prompt
  --hosts NAME,…      more names for the local daemon, besides localhost
  --procedures FILE   what the local daemon offers, instead of the
                      examples; may be given more than once
  --verbose           show the log of the local dispatcher and daemon

harp and rpc, the default caller, are there; :help tells the rest. What was
typed is kept in $XDG_STATE_HOME/harp/history (~/.local/state), but for lines
that carry a secret. NO_COLOR turns colours off.]=],
  examples = {
    { "harp repl --local --hosts web01,web02", "try it on two hosts that are this machine" },
  },
}
