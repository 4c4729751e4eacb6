-- How is the fleet? Asks many hosts at once, and prints a line for each.
--
--     harp --local --hosts web01,web02,web03 scripts/recipes/fleet.lua web01 web02 web03

local harp = require "harp"

if #arg == 0 then
  io.stderr:write("usage: harp fleet.lua HOST…\n")
  os.exit(2)
end

local rpc = harp.caller()

-- Both calls run at the same time, on all hosts; no host stops the others.
local function ask(name)
  local host = rpc:host(name, { timeout = 10 })
  local uptime, disk = host.uptime(), host.disk_usage "/"
  return uptime:result{ wait = true }, disk:result{ wait = true }
end

local reports = harp.map(arg, function(name)
  local uptime, disk = ask(name)
  if harp.is_error(uptime) then return tostring(uptime) end
  if harp.is_error(disk) then return tostring(disk) end
  return ("up %.1f h, load %.2f, / %d%% full"):format(uptime.seconds / 3600, uptime.load[1], disk.used_percent)
end, { concurrency = 50 })

for i, name in ipairs(arg) do
  print(("%-12s %s"):format(name, reports[i]))
end
