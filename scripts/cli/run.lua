--- harp run: its options are read in runtime/cli/run.c.

return {
  synopsis = "SCRIPT [ARG…] | -e CODE",
  purpose = "run a script; the word `run` may be left out",
  usage = [=[
Usage: harp [run] [OPTION…] SCRIPT [ARG…]
       harp [run] [OPTION…] -e CODE [ARG…]
       harp run [OPTION…] --resume RUN]=],
  details = [=[
The script finds its name in arg[0] and its arguments in arg[1]… and in `...`. What
stands behind it is its own, options too. Modules beside it are found before all
others, and it may begin with #!/usr/bin/env harp. It ends when its main chunk and
all its tasks have ended. Exit status: what it gives to os.exit; that of an error of
a call that it does not catch; 130 after Ctrl-C; 1 for other errors; of a script with
batches that ends well that of their worst host.

--resume runs the recipe of a batch again that was left, or died, with the same
arguments: it goes on where it was. See harp runs.]=],
  examples = {
    { "harp fleet.lua web01 web02", "runs fleet.lua with two arguments" },
    { "harp --local --hosts web01,web02 fleet.lua web01 web02", "the same on a stack of its own, to try it" },
    { "harp --local --hosts 'web[001-200]' fleet.lua", "on 200 hosts; quoted, as shells have a use for brackets" },
    { [[harp -e 'print(require "harp".encode{ 1, 2 })']], "runs a line of Lua" },
  },
  define = function(parser)
    parser:argument "script":argname "SCRIPT":args "?":description "The file; - is standard input."
    parser:argument "arg":argname "ARG":args "*":description "What the script gets."
    require "harp.cli.stack_options"(parser, "this run")
    require "harp.cli.caller".debug(parser)
    parser:option "--resume":argname "RUN":description "Go on with a run of a batch."
    parser:option "-e":argname "CODE":description "Run CODE instead of a script."
  end,
}
