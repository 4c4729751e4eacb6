--- harp hosts

local caller = require "harp.cli.caller"
local tables = require "harp.cli.table"

return {
  synopsis = "",
  purpose = "list the hosts that the dispatcher knows",
  usage = "Usage: harp hosts [OPTION…]",
  details = "The names that harp call takes, and where their daemons are.",
  examples = {
    { "harp hosts", "All of them." },
    { "harp call \"$(harp hosts | jq -r .name | paste -sd,)\" uptime", "Ask every host." },
  },
  define = function(parser)
    tables.json_option(parser)
    caller.option(parser)
  end,
  run = function(options)
    tables.print(caller.open(options):hosts(), {
      command = "hosts", none = "the dispatcher knows no host", json = options.json,
      columns = { { name = "HOST", gives_way = true }, { name = "ADDRESS", gives_way = true } },
      describe = function(host) return { HOST = host.name, ADDRESS = host.address } end,
      record = function(host) return { { "name", host.name }, { "address", host.address } } end,
    })
  end,
}
