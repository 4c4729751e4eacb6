--- harp run: its options are read in runtime/cli/run.c.

return {
  synopsis = "SCRIPT [ARG…] | -e CODE",
  purpose = "run a script; the word `run` may be left out",
  usage = [=[
Usage: harp [run] [OPTION…] SCRIPT [ARG…]
       harp [run] [OPTION…] -e CODE [ARG…]]=],
  details = [=[
The script finds its name in arg[0] and its arguments in arg[1]… and in `...`. What
stands behind it is its own, options too. It ends when its main chunk and all its
tasks have ended.]=],
  examples = {
    { "harp fleet.lua web01 web02", "runs fleet.lua with two arguments" },
    { "harp --local --hosts web01,web02 fleet.lua web01 web02", "the same on a stack of its own, to try it" },
    { [[harp -e 'print(require "harp".encode{ 1, 2 })']], "runs a line of Lua" },
  },
  define = function(parser)
    parser:argument "script":argname "SCRIPT":args "?":description "The file; - is standard input."
    parser:argument "arg":argname "ARG":args "*":description "What the script gets."
    parser:flag "--local":description "Start a dispatcher and a daemon for this run."
    parser:option "--hosts":argname "NAME,…":description "More names for the local daemon, besides localhost."
    parser:option "--procedures":argname "FILE":count "*"
      :description "What the local daemon offers, instead of the examples; may be given more than once."
    parser:flag "--verbose":description "Show the log of the local dispatcher and daemon."
    require "harp.cli.caller".debug(parser)
    parser:option "-e":argname "CODE":description "Run CODE instead of a script."
  end,
}
