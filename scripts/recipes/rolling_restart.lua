#!/usr/bin/env harp
-- Restarts a service: on one host, then on a tenth of them, then on all others.
-- After each of these waves its hosts have to be healthy, or no more are begun.
--
--     harp --local --hosts 'web[01-06]' scripts/recipes/rolling_restart.lua web@{host} 'web[01-06]'
--     harp scripts/recipes/rolling_restart.lua nginx @web        (operations.lua is what those hosts offer)
--
-- The procedures of --local play services; add fragile01 to both lists of
-- hosts, in front, and see it stop.

local harp = require "harp"
local batch = require "harp.batch"

local args = batch.args{
  "Restarts a service in waves, and stops behind one that is not healthy.",
  { "service", "what to restart; {host} in it stands for the host's name" },
  { "--settle", "seconds from the end of a wave to the look at its hosts", type = "number", default = 1 },
}

local rpc = harp.caller()

local function service_on(name) return (args.service:gsub("{host}", { ["{host}"] = name })) end

-- What does not answer is not healthy.
local function is_healthy(name)
  local status = rpc:host(name, { timeout = 10 }).service_status(service_on(name)):result{ wait = true }
  return not harp.is_error(status) and status.ActiveState == "active"
end

batch.run{
  name = "restart-" .. args.service:gsub("@?{host}", ""):gsub("[^%w.-]+", "-"), caller = rpc, options = args,
  serial = { 1, "10%", "100%" }, max_fail = 0, timeout = 120,
  step = function(host, name) return host.service_restart(service_on(name)) end,
  after_wave = function(wave)
    harp.sleep(args.settle)
    local healthy = harp.map(wave.hosts, is_healthy)
    for i, name in ipairs(wave.hosts) do
      if not healthy[i] then error(name .. " is not healthy after its restart", 0) end
    end
  end,
}
