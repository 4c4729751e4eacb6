--- harp hosts

local caller = require "harp.cli.caller"
local hosts = require "harp.batch.hosts"
local output = require "harp.cli.output"
local selecting = require "harp.cli.selecting"
local show = require "harp.cli.show"
local tables = require "harp.cli.table"

local details = [[
The names that harp call takes, and where their daemons are. With a SELECTION,
those that it means, to see what it means; a name that the dispatcher does not
know has no address.

]] .. selecting.DETAILS

-- An iterator over { name, address }.
local function selected(rpc, selection)
  local names, addresses = selecting.hosts(rpc, selection)
  local at = 0
  return function()
    at = at + 1
    return names[at] and { name = names[at], address = addresses[names[at]] }
  end
end

local function fold(iterator)
  local names = {}
  for host in iterator do names[#names + 1] = host.name end
  if not names[1] then return output.note("hosts", "the dispatcher knows no host") end
  output.line(show.one_line(hosts.fold(names)))
end

return {
  synopsis = "[SELECTION…]",
  purpose = "list the hosts that the dispatcher knows, or those that are meant",
  usage = "Usage: harp hosts [OPTION…] [SELECTION…]",
  details = details,
  examples = {
    { "harp hosts", "All of them." },
    { "harp hosts 'web[01-20],!web07' '&@rack1'", "Whom a selection means." },
    { "harp hosts --fold", "All, in few words: web[01-20],db01." },
    { "harp call \"$(harp hosts | jq -r .name | paste -sd,)\" uptime", "Ask every host." },
  },
  define = function(parser)
    parser:argument "selection":argname "SELECTION":args "*":description "Hosts, groups, ranges: see above."
    parser:flag "--fold":description "One line of ranges, such as web[01-20],db01."
    tables.json_option(parser)
    caller.option(parser)
  end,
  run = function(options)
    local rpc = caller.open(options)
    local iterator = options.selection[1] and selected(rpc, options.selection) or rpc:hosts()
    if options.fold then return fold(iterator) end
    tables.print(iterator, {
      command = "hosts", none = "the dispatcher knows no host", json = options.json,
      columns = { { name = "HOST", gives_way = true }, { name = "ADDRESS", gives_way = true } },
      describe = function(host) return { HOST = host.name, ADDRESS = host.address } end,
      record = function(host) return { { "name", host.name }, { "address", host.address } } end,
    })
  end,
}
