--- harp config: what is in force, and where it is from.

local core = require "harp.core"
local output = require "harp.cli.output"
local settings = require "harp.settings"
local show = require "harp.cli.show"
local tables = require "harp.cli.table"

local SECRET = { password = true }

-- A value without its passwords: those of a proxy's URL, too.
local function blotted(v)
  if type(v) == "string" then return (v:gsub("^(%a[%w+.-]*://[^/@:]*):[^/@]*@", "%1:***@")) end
  if type(v) ~= "table" then return v end
  local copy = {}
  for name, item in pairs(v) do copy[name] = SECRET[name] and "***" or blotted(item) end
  return copy
end

local function from_environment(rows, name, is_secret)
  local v = os.getenv(name)
  if v then rows[#rows + 1] = { setting = name, value = is_secret and "***" or blotted(v), from = "environment" } end
end

local function add_entries(rows, name, all)
  local names = {}
  for entry in pairs(all[name]) do names[#names + 1] = entry end
  table.sort(names)
  for _, entry in ipairs(names) do
    rows[#rows + 1] = {
      setting = ("%s.%s"):format(name, entry), value = blotted(all[name][entry]), from = all.from[name][entry],
    }
  end
end

-- A list of selections means what it means with commas.
local function add_groups(rows, all)
  local selections = {}
  for name, v in pairs(all.groups) do selections[name] = type(v) == "table" and table.concat(v, ",") or v end
  add_entries(rows, "groups", { groups = selections, from = all.from })
end

-- The dispatcher that is meant when none is said.
local function default_caller(all)
  local address = settings.caller_of_environment()
  if address then return address, "environment, HARP_CALLER" end
  if all.caller then return blotted(all.caller), all.from.caller end
  local stack = core.standing_stack()
  if stack then return stack.caller, "harp local, which runs" end
  return "localhost:3502", "default"
end

-- A list of { setting =, value =, from = }.
local function collect()
  local all, rows = settings.all(), {}
  local value, from = default_caller(all)
  rows[1] = { setting = "caller", value = value, from = from }
  add_entries(rows, "callers", all)
  add_entries(rows, "servers", all)
  add_groups(rows, all)
  rows[#rows + 1] = { setting = "keep_runs", value = all.keep_runs, from = all.from.keep_runs }
  from_environment(rows, "HARP_CALLER_USER")
  from_environment(rows, "HARP_CALLER_PASSWORD", true)
  from_environment(rows, "HARP_USER")
  from_environment(rows, "HARP_PASSWORD", true)
  return rows
end

local COLUMNS = { { name = "SETTING" }, { name = "VALUE", gives_way = true }, { name = "FROM", gives_way = true } }

local function list_files()
  local read = {}
  for _, file in ipairs(settings.all().files) do read[file.path] = true end
  for _, path in ipairs(settings.paths()) do
    output.note("config", ("%s: %s"):format(path, read[path] and "read" or "not there"))
  end
end

return {
  synopsis = "[OPTION…]",
  purpose = "show what is configured, and where",
  details = [[
The files are Lua, their globals the settings:

  caller  = "prod"               when no dispatcher is said: an address, a
                                 name of callers, or a table
  callers = { prod = { host = "d.example.net", tls = true, user = "me",
                       password_file = "/home/me/.harp-prod" },
              test = "localhost:3502" }
  servers = { web01 = { user = "me", password_file = "/home/me/.harp-web" },
              ["*"] = { ca_file = "/etc/harp/ca.pem" } }
  groups  = { web = "web[01-20]", db = { "db01", "db02" }, old = "@db,web0*" }
  keep_runs = "30d"              how long runs of batches are kept that have
                                 ended: default 90d; false: for ever

A name of callers can stand where an address can: harp jobs --caller prod. What
stands behind it are options of harp.caller, behind those of servers options of
harp.server, for harp call --direct web01 and scripts. A group is a selection
of hosts, as harp hosts describes it, or a list of them; @web means it.

The first of these that says something is right: the command line or the
script, the environment ($HARP_CALLER, $HARP_CALLER_USER, $HARP_CALLER_PASSWORD,
$HARP_USER, $HARP_PASSWORD), the stack of --local, the user's file
($XDG_CONFIG_HOME/harp/config.lua, ~/.config/harp/config.lua), that of the
machine (/etc/harp/config.lua), a harp local that runs. Passwords are shown as
***.]],
  examples = {
    { "harp config", "What is in force here, and from which file." },
    { "harp config --json | jq -r 'select(.setting == \"caller\").value'", "The dispatcher that is meant." },
  },
  define = function(parser) tables.json_option(parser) end,
  run = function(options)
    local rows, at = collect(), 0
    if not options.json and output.is_terminal then list_files() end
    tables.print(function() at = at + 1 return rows[at] end, {
      command = "config", json = options.json, columns = COLUMNS, none = "nothing",
      describe = function(row)
        local text = type(row.value) == "string" and row.value or show.json(row.value)
        return { SETTING = row.setting, VALUE = text, FROM = row.from }
      end,
      record = function(row) return { { "setting", row.setting }, { "value", row.value }, { "from", row.from } } end,
    })
  end,
}
