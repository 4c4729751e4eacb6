--- Selections of hosts on a command line.

local core = require "harp.core"
local expand = require "harp.batch.select"

local selecting = {}

selecting.DETAILS = [[
A SELECTION is words with commas or blanks between. Each adds hosts to those
before it:

  web01             a host, known to the dispatcher or not
  web[01-20,25]     a range; zeros in front stay; several brackets may be
  web*, web0?       those of the dispatcher that have such a name
  all, *            all that the dispatcher knows
  @web              a group of the configuration (harp config)
  @RUN:failed       hosts of an earlier batch (harp runs): failed, ok, all,
                    unknown, not_reached …
  ./hosts.txt       a file, told by its slash: a selection in each line, and
                    comments behind #
  -                 the same, of standard input
  !WORD             takes away what WORD means; at first, from all
  &WORD             leaves only what WORD means

Quote it: shells have a use of their own for [ ] * ? ! and &.]]

-- The names of a dispatcher's hosts, and their addresses by name.
local function known(rpc)
  local names, addresses = {}, {}
  for host in rpc:hosts() do names[#names + 1], addresses[host.name] = host.name, host.address end
  return names, addresses
end

--- The names of the hosts that are meant, and the addresses of those that the
-- dispatcher knows: none where it cannot tell.
function selecting.hosts(rpc, selection)
  local well, names, addresses = pcall(known, rpc)
  if not well and not core.is_error(names, "UsageError") then error(names, 0) end
  local function list()
    if not well then error(names, 0) end
    return names
  end
  return expand(selection, list), addresses or {}
end

return selecting
