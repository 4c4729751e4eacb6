--- harp run: its options are read in runtime/cli/run.c.

return {
  synopsis = "SCRIPT [ARG…] | -e CODE",
  purpose = "run a recipe; `run` may be left out",
  usage = [=[
Usage: harp [run] [OPTION…] SCRIPT [ARG…]
       harp [OPTION…] -e CODE [ARG…]]=],
  details = [=[
  --local             start a dispatcher and a daemon for this run
  --hosts NAME,…      more names for the local daemon, besides localhost
  --procedures FILE   what the local daemon offers, instead of the
                      examples; may be given more than once
  --verbose           show the log of the local dispatcher and daemon
  -e CODE             run CODE instead of a script

SCRIPT - is standard input. The script finds its name in arg[0] and its
arguments in arg[1]… and in `...`; modules beside it are found before all
others. It may begin with #!/usr/bin/env harp. Exit status: what it gives to
os.exit; an error of a call that it does not catch has its own, see harp help;
130 after Ctrl-C; 1 other errors; 2 wrong usage.]=],
}
