--- The configuration of whoever uses harp: dispatchers by name, which of them
-- is meant when none is said, who to be for daemons, and hosts in groups. Lua
-- files, whose globals are the settings:
--
--     caller  = "prod"                         -- an address, a name of `callers`, or a table
--     callers = { prod = { host = "d.example.net", tls = true, user = "me", password_file = "…" } }
--     servers = { web01 = { user = "me", password_file = "…" }, ["*"] = { ca_file = "…" } }
--     groups  = { web = "web[01-20]", db = { "db01", "db02" }, all_of_it = "@web,@db" }
--     keep_runs = "30d"                        -- how long runs of batches are kept that have ended
--
-- What stands behind a name is an address or the options of harp.caller, those
-- of harp.server, and a selection of hosts (batch/hosts.lua). The user's file,
-- $XDG_CONFIG_HOME/harp/config.lua (~/.config/harp/config.lua), is read, and
-- then /etc/harp/config.lua: the first that has a setting, or an entry of
-- callers, servers or groups, is right. They are read when the first caller or
-- server is made. What is wrong with them is a UsageError ("configuration").

local core = require "harp.core"
local quantities = require "harp.quantities"

local settings = {}

--- The files, the user's own before that of the machine ($HARP_SYSTEM_CONFIG
-- is another one in its place).
function settings.paths()
  local own = core.config_path "config.lua"
  local system = os.getenv "HARP_SYSTEM_CONFIG" or "/etc/harp/config.lua"
  return own and { own, system } or { system }
end

-- ---- reading ----

local function refuse(format, ...)
  error(core.error{ kind = "UsageError", type = "configuration", message = format:format(...) }, 0)
end

local function is_entry(v) return type(v) == "table" or type(v) == "string" and v ~= "" end
local function is_options(v) return type(v) == "table" end

local function check_each(path, name, t, is_good, what)
  if type(t) ~= "table" then refuse("%s: %s: must be a table of %s by name", path, name, what) end
  for key, v in pairs(t) do
    if type(key) ~= "string" or not is_good(v) then refuse("%s: %s.%s: must be %s", path, name, key, what) end
  end
end

-- A selection of hosts: what it means is for others to judge.
local function is_selection(v)
  if type(v) ~= "table" then return type(v) == "string" end
  for key, text in pairs(v) do
    if math.type(key) ~= "integer" or type(text) ~= "string" then return false end
  end
  return #v > 0 or next(v) == nil
end

local function check_groups(path, v)
  check_each(path, "groups", v, is_selection, "a selection of hosts, or a list of them")
  for name in pairs(v) do
    if not name:find "^[%w_][%w_.-]*$" then refuse("%s: groups: %q is no name of a group", path, name) end
  end
end

local ADDRESS = "an address, or a table of options"

-- Each setting: refuses what it cannot be.
local KNOWN = {
  caller = function(path, v)
    if not is_entry(v) then refuse("%s: caller: must be the name of one of callers, %s", path, ADDRESS) end
  end,
  callers = function(path, v) check_each(path, "callers", v, is_entry, ADDRESS) end,
  servers = function(path, v) check_each(path, "servers", v, is_options, "a table of options") end,
  groups = check_groups,
  keep_runs = function(path, v)
    if v ~= false and not (type(v) == "string" and quantities.seconds(v)) then
      refuse('%s: keep_runs: must be a time, such as "30d", or false', path)
    end
  end,
}

local ENOENT = 2

local function has_password(t)
  for key, v in pairs(t) do
    if key == "password" or type(v) == "table" and has_password(v) then return true end
  end
  return false
end

-- What a file says; nil when there is none.
local function read(path)
  local file, reason, number = io.open(path)
  if not file and number == ENOENT then return nil end
  local text = file and file:read "a"
  if file then file:close() end
  if not text then refuse("cannot read the configuration %s", reason or path) end
  local found = {}
  local chunk, complaint = load(text, "@" .. path, "t", setmetatable({}, { __index = _G, __newindex = found }))
  if not chunk then refuse("%s", complaint) end
  local ok, raised = pcall(chunk)
  if not ok then refuse("%s", tostring(raised)) end
  for name, v in pairs(found) do
    if not KNOWN[name] then refuse("%s: %s: nobody knows this setting", path, name) end
    KNOWN[name](path, v)
  end
  if has_password(found) and core.is_readable_by_others(path) then
    io.stderr:write(("harp: %s has a password, and others may read it: chmod 600 %s\n"):format(path, path))
  end
  return found
end

-- The entries of both files, and whose they are.
local function merge(files, name)
  local all, from = {}, {}
  for _, file in ipairs(files) do
    for key, v in pairs(file.found[name] or {}) do
      if all[key] == nil then all[key], from[key] = v, file.path end
    end
  end
  return all, from
end

local loaded

local function load_all()
  if loaded then return loaded end
  local files, one = {}, { from = {} }
  for _, path in ipairs(settings.paths()) do
    local found = read(path)
    if found then files[#files + 1] = { path = path, found = found } end
  end
  one.files = files
  for _, name in ipairs{ "caller", "keep_runs" } do
    for _, file in ipairs(files) do
      if one[name] == nil then one[name], one.from[name] = file.found[name], file.path end
    end
  end
  if one.keep_runs == nil then one.keep_runs, one.from.keep_runs = "90d", "default" end
  one.callers, one.from.callers = merge(files, "callers")
  one.servers, one.from.servers = merge(files, "servers")
  one.groups, one.from.groups = merge(files, "groups")
  loaded = one
  return one
end

--- All of it: { caller =, callers =, servers =, groups =, keep_runs =, files = {
-- { path = }… }, from = { caller = path, callers = { NAME = path }, servers = { … }, … } }.
function settings.all() return load_all() end

--- The groups of hosts: by name a selection, a text or a list of them.
function settings.groups() return load_all().groups end

--- How many seconds runs are kept that have ended; nil: for ever.
function settings.keep_runs()
  local time = load_all().keep_runs
  return time and quantities.seconds(time) or nil
end

-- ---- in use ----

-- Ways to trust a peer, and to show who one is, exclude each other: of the
-- defaults none counts where one is given.
local GROUPS = {
  { "known_hosts", "ca_file", "pin", "verify" },
  { "password", "password_file" },
}

local function put_on_top(defaults, options)
  local all = {}
  for name, v in pairs(defaults) do all[name] = v end
  for _, group in ipairs(GROUPS) do
    local given = false
    for _, name in ipairs(group) do given = given or options[name] ~= nil end
    for _, name in ipairs(given and group or {}) do all[name] = nil end
  end
  for name, v in pairs(options) do all[name] = v end
  return all
end

local function as_options(entry)
  return type(entry) == "string" and { host = entry } or entry
end

--- The options of harp.caller with what stands behind a host that is the name
-- of a caller. A name wins over a machine that is called the same.
function settings.named_caller(options)
  local entry = options.host and load_all().callers[options.host]
  if not entry then return options end
  local named = put_on_top(as_options(entry), options)
  named.host = as_options(entry).host
  return named
end

--- $HARP_CALLER; nil where it is empty, or not there.
function settings.caller_of_environment()
  local address = os.getenv "HARP_CALLER"
  return address ~= "" and address or nil
end

--- The caller that is meant when none is said, as options; nil without one.
function settings.default_caller()
  local entry = load_all().caller
  return entry and as_options(entry)
end

-- A password goes with its user: another user, of the options or the
-- environment, does not have it.
local function without_other_users(defaults, options)
  local user = options.user or os.getenv "HARP_USER"
  if user and user ~= defaults.user or os.getenv "HARP_PASSWORD" then
    defaults.password, defaults.password_file = nil, nil
  end
  if user then defaults.user = user end
  return defaults
end

--- The options of harp.server with those of its host, and of every host. They
-- may have another `host`: where the daemon of that name really is.
function settings.server(options)
  local servers, host = load_all().servers, options.host or "localhost"
  if type(host) ~= "string" then return options end
  local own = servers[host] or servers[host:gsub(":%d+$", "")] or {}
  local all = put_on_top(without_other_users(put_on_top(servers["*"] or {}, own), options), options)
  all.host = own.host or options.host
  return all
end

return settings
