#!/usr/bin/env harp
-- Is a file the same everywhere? Groups hosts by what is in it, and shows how
-- each other group differs from the largest.
--
--     harp --local --hosts 'web[01-06]' scripts/recipes/compare_config.lua /etc/hosts 'web[01-06]'
--     harp scripts/recipes/compare_config.lua /etc/nginx/nginx.conf @web      (with operations.lua there)
--
-- Exit status: 0 the same on all, 1 not; that of the worst host when some could
-- not say it.

local harp = require "harp"
local batch = require "harp.batch"
local fold = require "harp.batch.hosts".fold
local printable = require "harp.printable"

local args = batch.args{
  "Compares a file over hosts, and shows what differs from most of them.",
  { "path", "the file; {host} in it stands for the host's name" },
}

local run = batch.run{
  name = "compare", options = args, timeout = 30, show = "none", resume = false,
  step = function(host, name)
    return host.file((args.path:gsub("{host}", { ["{host}"] = name })))
  end,
}
if args.dry_run then os.exit(0) end

-- Groups, the largest one first: { text, hosts }.
local groups, by_text = {}, {}
for _, name in ipairs(run.ok) do
  local text = run.results[name].value
  if not by_text[text] then
    by_text[text] = { text = text, hosts = {}, number = #groups + 1 }
    groups[#groups + 1] = by_text[text]
  end
  table.insert(by_text[text].hosts, name)
end
table.sort(groups, function(a, b)
  if #a.hosts ~= #b.hosts then return #a.hosts > #b.hosts end
  return a.number < b.number
end)

-- As diff has it: "-" is what the most have, "+" what these have.
local function difference(most, group)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  assert(file:write(group.text))
  assert(file:close())
  local lines = harp.exec{
    "diff", "-u", "--label=most", "--label=" .. fold(group.hosts), "--", "-", path, stdin = most.text,
  }:all()
  os.remove(path)
  return table.concat(lines, "\n")
end

for i, group in ipairs(groups) do
  print(printable(("%d of %d: %s"):format(#group.hosts, #run.hosts, fold(group.hosts))))
  if i > 1 then print(printable(difference(groups[1], group))) end
end
for _, name in ipairs(run.failed) do print(printable(("%s: %s"):format(name, run.results[name].message))) end
os.exit(run.code == 0 and #groups > 1 and 1 or run.code)
