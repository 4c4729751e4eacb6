#!/usr/bin/env harp
-- Brings a package to a version on all hosts, or on none: when one fails, no
-- more are begun, and those that were touched get back what they had.
--
--     harp --local --hosts 'web[01-06]' scripts/recipes/deploy.lua shop@{host} 2.0 'web[01-06]'
--     harp scripts/recipes/deploy.lua --restart nginx nginx 1.22.1-9 @web      (operations.lua is what they offer)
--
-- The procedures of --local play packages; add fragile01 to both lists of hosts,
-- and see it undone. Exit status: 0 when all have the version, else that of the
-- worst host, also when all have again what they had.

local harp = require "harp"
local batch = require "harp.batch"
local fold = require "harp.batch.hosts".fold

local args = batch.args{
  "Brings a package to a version on all hosts, or on none.",
  { "package", "what to install; {host} in it stands for the host's name" },
  { "version", "which version" },
  { "--restart", "the service to restart then; it has to be active afterwards" },
}
local word = ("%s-%s"):format(args.package, args.version):gsub("@?{host}", ""):gsub("[^%w.-]+", "-")

local function own(text, name) return (text:gsub("{host}", { ["{host}"] = name })) end

-- Two steps: a run that is taken up does not install again what it has restarted.
local function install(host, name, version)
  batch.step("install", function() return host.install_version(own(args.package, name), version) end)
  if not args.restart then return version end
  local status = batch.step("restart", function() return host.service_restart(own(args.restart, name)) end)
  if status.ActiveState ~= "active" then error(("%s is %s"):format(args.restart, status.ActiveState), 0) end
  return version
end

local before = batch.run{
  name = "versions-" .. word, options = args, timeout = 60, show = "summary",
  step = function(host, name) return host.installed_version(own(args.package, name)) end,
}
if before.code ~= 0 then os.exit(before.code) end

local deploy = batch.run{
  name = "deploy-" .. word, options = args, timeout = 600, serial = { 1, "10%", "100%" }, on_fail = "batch",
  step = function(host, name) return install(host, name, args.version) end,
}
if deploy.code == 0 then os.exit(0) end

-- Who was reached may have been changed, whatever was heard of it.
local touched = {}
for _, name in ipairs(deploy.hosts) do
  if deploy.results[name].outcome ~= "not_reached" then touched[#touched + 1] = name end
end
local back = batch.run{
  name = "rollback-" .. word, hosts = touched, options = args, timeout = 600,
  step = function(host, name) return install(host, name, before.results[name].value) end,
}
if back.code ~= 0 then harp.log.error("not all are back at what they had: %s", fold(back.failed)) end
os.exit(deploy.code)
