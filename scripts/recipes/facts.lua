#!/usr/bin/env harp
-- What are these machines? A row of CSV for each host: what procedures say of
-- it, field by field, or why they do not.
--
--     harp --local --hosts 'web[01-06]' scripts/recipes/facts.lua 'web[01-06]'
--     harp scripts/recipes/facts.lua --ask facts,uptime,disk_usage --output fleet.csv all
--
-- Any procedures will do that need no arguments.

local harp = require "harp"
local batch = require "harp.batch"
local printable = require "harp.printable"

local args = batch.args{
  "Collects what procedures say of hosts: CSV, a row for each host.",
  { "--ask", "procedures that need no arguments", type = "list", default = { "facts" } },
  { "--output", "the file to write; default: standard output" },
}

-- { load = { 1, 2 } } of uptime becomes the columns uptime.load.1 and uptime.load.2.
local function flatten(row, name, v)
  if type(v) ~= "table" then
    row[name] = v ~= harp.null and tostring(v) or ""
    return
  end
  for key, field in pairs(v) do flatten(row, ("%s.%s"):format(name, key), field) end
end

-- As RFC 4180 has it, with nothing in it that moves a terminal's cursor.
local function cell(text)
  text = printable(text)
  return text:find '[",\n]' and ('"%s"'):format(text:gsub('"', '""')) or text
end

local file = args.output and not args.dry_run and assert(io.open(args.output, "w")) or io.stdout

local run = batch.run{
  name = "facts", options = args, timeout = 60, show = "none", resume = false,
  step = function(host)
    local jobs, row = {}, {}
    for i, procedure in ipairs(args.ask) do jobs[i] = host:procedure(procedure)() end     -- all at once
    for i, procedure in ipairs(args.ask) do flatten(row, procedure, jobs[i]:get()) end
    return row
  end,
}
if args.dry_run then os.exit(0) end

local columns, known = {}, {}
for _, result in pairs(run.results) do
  for name in pairs(result.outcome == "ok" and result.value or {}) do
    if not known[name] then columns[#columns + 1] = name end
    known[name] = true
  end
end
table.sort(columns)

local function write(cells) assert(file:write(table.concat(cells, ","), "\n")) end

local header = { "host", "outcome", "message" }
for _, name in ipairs(columns) do header[#header + 1] = cell(name) end
write(header)
for _, name in ipairs(run.hosts) do
  local result = run.results[name]
  local row = { cell(name), result.outcome, cell(result.message or "") }
  for i, column in ipairs(columns) do row[i + 3] = cell(result.outcome == "ok" and result.value[column] or "") end
  write(row)
end
os.exit(run.code)
