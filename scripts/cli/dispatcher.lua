--- harp dispatcher: its options are read in runtime/cli/dispatcher.c.

return {
  synopsis = "--config FILE",
  purpose = "queue calls, run them on daemons, keep their results",
  details = [=[
FILE is Lua:

  listen = "127.0.0.1:3502"               or "unix:/path", "systemd",
                                          "systemd:NAME", or a list of
                                          these and of tables: see below
  control = "unix:/path"                  for whoever runs it; default
                                          none
  database = "/var/lib/harp/dispatcher.db"
  timeout = 600    max_exec_time = 600    seconds; for calls without
                                          limits, and at most
  connect_timeout = 10                    seconds to reach a daemon, and
  accept_timeout = 60                     for it to take a call
  max_answer = 268435456                  bytes of a result or a packet
  max_running = 1000                      calls at once in all, and of
  max_running_per_host = 100              one host (its max_children); the
                                          others wait, hosts and queues
                                          in turn
  job_bytes = 2^30                        of a job's packets and outcome
  keep_for = 0                            seconds since a job's end, and
  keep_bytes = 0                          bytes in the database, before
                                          old jobs go; 0: never
  grace = 5                               seconds for calls that run, once
                                          it is told to stop
  log = "text"                            or "json"
  log_level = "info"                      or "debug", with the arguments
                                          of calls; or "warning"
  log_time = false                        times in the log
  hosts = {
    web01 = { address = "10.0.0.1", port = 4306, user = "u",
              password = "p", ca_file = "/path" },
  }
  limits = { request = 2^20,              bytes of a request
             nesting = 1000,              levels of arrays in it
             connections = 10000,         default: what descriptors allow
             in_flight = 100000,          requests on one connection
             idle = 60 }                  seconds to the first request

Listeners, as tables, with what holds at them:

  listen = {
    { address = "unix:/run/harp/sock", mode = 0660 },  default 0600
    { address = "0.0.0.0:3502", tls = true,
      certificate = "/path", key = "/path",
      client_ca = "/path",              clients show a certificate of it
      users = { name = "password" },    or a crypt(3) hash; clients say
      password_file = "/path" },        who they are; lines user:hash
  }

Beyond loopback it is refused to listen where anybody could call, and where
passwords would go in the clear, unless the table has open = true. SIGHUP
reads hosts, limits, times, users and certificates again.

A host may also have:

  pin = "sha256//…"                       instead of ca_file: its key,
  known_certs_file = "/path"              certificates that will do,
  known_hosts = "/path"                   keys, each noted at first use
  first_use = true                        (the same, in the user's file),
  verify = false                          nothing; without any of these
                                          the system's authorities count
  tls = "legacy"                          TLS 1.0, as stock daemons have
  cert_file = "/path"  key_file = "/path"  what we show
  proxy = "socks5h://user:password@gate:1080"   or socks5, socks4a, http
  connect_timeout, accept_timeout, max_running

host_defaults = { … } has what hosts do not say themselves. hosts may be a
function, which gets a name and returns such a table or nil. A program may
print hosts, a line of JSON each, {"hostname","address","port",
"credentials":{"user","password"}} and more of the above:

  hosts_command = { "/path", "argument" }  no shell
  hosts_refresh = 300                     seconds to the next run; 0: none
  hosts_timeout = 60                      seconds that it may take]=],
  examples = {
    { "harp dispatcher --config /etc/harp/dispatcher.lua", "serves until it gets SIGTERM or SIGINT" },
  },
  define = function(parser)
    parser:option "--config":argname "FILE":count(1):description "Its configuration, in Lua."
  end,
}
