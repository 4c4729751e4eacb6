#!/usr/bin/env harp
-- How is the fleet? Asks many hosts at once, and prints a line for each.
--
--     harp --local --hosts web01,web02,web03 scripts/recipes/fleet.lua web01 web02 web03

local harp = require "harp"

local args = harp.args{
  "How is the fleet? Asks many hosts at once, and prints a line for each.",
  { "host", "a name that the dispatcher knows", args = "+" },
  { "--at-once", "at most so many at a time", type = "integer", default = 50 },
  { "--timeout", "seconds that a host may take", type = "number", default = 10 },
}

local rpc = harp.caller()

-- Both calls run at the same time, on all hosts; no host stops the others.
local function ask(name)
  local host = rpc:host(name, { timeout = args.timeout })
  local uptime, disk = host.uptime(), host.disk_usage "/"
  return uptime:result{ wait = true }, disk:result{ wait = true }
end

local reports = harp.map(args.host, function(name)
  local uptime, disk = ask(name)
  if harp.is_error(uptime) then return tostring(uptime) end
  if harp.is_error(disk) then return tostring(disk) end
  return ("up %.1f h, load %.2f, / %d%% full"):format(uptime.seconds / 3600, uptime.load[1], disk.used_percent)
end, { concurrency = args.at_once })

for i, name in ipairs(args.host) do
  print(("%-12s %s"):format(name, reports[i]))
end
