--- harp daemon: its options are read in runtime/cli/daemon.c.

return {
  synopsis = "--config FILE",
  purpose = "run procedures on this machine, for callers over TLS",
  usage = [=[
Usage: harp daemon --config FILE
       harp daemon --test --config FILE
       harp daemon --init [--config FILE]]=],
  details = [=[
FILE is Lua:

  listen = "127.0.0.1:4306"               or "unix:/path", "systemd",
                                          "systemd:NAME", or a list
  certificate = "/etc/harp/daemon.crt"    PEM, the chain behind it
  key = "/etc/harp/daemon.key"
  client_ca = "/path"                     callers show a certificate of it
  tls = "legacy"                          TLS 1.0 and 1.1, too, as stock
                                          dispatchers have; default 1.2
  password_file = "/etc/harp/passwd"      lines of user:$6$salt$hash; read
                                          again when it has changed
  users = { name = "password or hash" }
  procedures = { "/etc/harp/procedures.lua", "/etc/harp/procedures.d" }
                                          of a directory, all *.lua
  max_children = 100                      calls at once; one more is told
                                          too_many_calls
  max_unauthenticated = 100               callers of one address that have
                                          not said who they are; four
                                          times that in all; more wait
  request_timeout = 10                    seconds for TLS and the request
  auth_delay = 1                          seconds that the answer to a
                                          wrong password takes; doubled
                                          by each of an address, to 10
  grace = 2                               seconds for a call that is ended
                                          before it is killed
  log = "text"  log_level = "info"  log_time = false    as harp dispatcher
                                          has them

SIGHUP reads the file again, and all that it names; when anything is wrong
with it, the old settings stay. Only `listen` needs a restart. SIGTERM ends
the calls, whose callers are told, and then the daemon.

As root it reads nothing that anybody may write, nor a key that anybody may
read.]=],
  examples = {
    { "harp daemon --init", "makes what a new machine needs, and says what to do next" },
    { "harp daemon --test --config /etc/harp/daemon.lua", "is it good? before the daemon reads it again" },
    { "harp daemon --config /etc/harp/daemon.lua", "serves until it gets SIGTERM" },
  },
  define = function(parser)
    parser:option "--config":argname "FILE":description "Its configuration, in Lua."
    parser:flag "--test":description "Read and load all, say whether it is good, and end."
    parser:flag "--init"
      :description "Make a key and a certificate where there are none, and say what a dispatcher has to know of it."
  end,
}
