--- harp local: its options are read in runtime/cli/local.c.

return {
  synopsis = "[--background]",
  purpose = "a dispatcher and a daemon of your own, on this machine",
  usage = [=[
Usage: harp local [OPTION…]
       harp local --status | --stop | --reload]=],
  details = [=[
While it runs, commands and scripts of yours find it without being told: those
that are given no dispatcher by --caller or HARP_CALLER, and have no --local.
Nobody else can use it: it listens on a unix socket and on loopback, with a
password that is made anew at each start.

Its jobs outlive it, for 30 days: they, its certificate and its logs are in
$XDG_STATE_HOME/harp/local (~/.local/state/harp/local). There is one of it at a
time. However it ends, both servers end with it; a job that runs then is lost,
those that wait in a queue go on with the next start.

The daemon offers your own procedures, $XDG_CONFIG_HOME/harp/procedures.lua and
procedures.d/*.lua (~/.config/harp), or, where there are none, the examples that
come with harp. --reload, or SIGHUP to it, has it load them again; when anything
is wrong with them, the old ones stay.

Exit status: 0 well, 1 when it cannot start, when one runs already and, of
--status, --stop and --reload, when none runs; 2 wrong usage.]=],
  examples = {
    { "harp local", "serves until Ctrl-C; then, in another terminal:" },
    { "harp call localhost uptime", "calls its daemon, through its dispatcher" },
    { "harp local --background --hosts web01,web02", "goes on without a terminal, as more hosts than one" },
    { "harp local --hosts 'web[001-200],db[1-2]'", "as 202 more; quoted, as shells have a use for brackets" },
    { "harp local --reload", "after a change of a file of procedures" },
    { "harp local --stop", "ends it, and waits for that" },
  },
  define = function(parser)
    parser:option "--procedures":argname "FILE":count "*"
      :description "What the daemon offers instead, a file or a directory of *.lua; may be given more than once."
    parser:option "--hosts":argname "NAMES"
      :description "More names for the daemon, besides localhost: web01,web02, or 'web[01-20]'."
    parser:flag "--background":description "Return when both servers listen; they go on."
    parser:flag "--verbose":description "Show the logs of both instead of keeping them in files."
    parser:flag "--status":description "Say what runs, where its files are, and how many jobs it has."
    parser:flag "--stop":description "End the one that runs."
    parser:flag "--reload":description "Have it load the files of procedures again."
  end,
}
