-- Procedures to run a machine by: a file to copy to /etc/harp/procedures.lua
-- and to cut to size, for a daemon that runs as root on Debian. Whatever only
-- looks runs as `nobody`, what changes something is for OPERATORS.

local harp = require "harp"

local OPERATORS = { "operator" }        -- users of the daemon, not of the system
local SERVICES = { nginx = true, postgresql = true }    -- that may be restarted

-- The file system that holds `path`, as df tells of it.
command("disk_usage", { user = "nobody", timeout = 10, check = true, env = { LC_ALL = "C" } },
  { "df", "-kP", "--", arg("path", "/") })

-- The journal of a service: its last `lines` entries (20), and each new one
-- until the caller has enough, for a day at most.
command("journal", { user = "nobody", group = { "nogroup", "adm" }, timeout = 86400, parse = "json" },
  { "journalctl", "--output=json", "--follow", "--lines=" .. arg("lines", 20), "--unit=" .. arg "service" })

-- tail would wait for a file that is not there, and say so to nobody.
local function check_file(path)
  local file <close>, reason = io.open(path)
  local _
  if file then _, reason = file:read(0) end
  if reason then error{ type = "no_file", message = reason } end
end

-- The last `lines` lines of a log (10), and each new one, likewise.
stream("follow_file", { user = "nobody", group = { "nogroup", "adm" }, timeout = 86400 }, function(lines, path)
  check_file(path)
  for line in harp.exec{ "tail", "--lines=" .. (lines or 10), "-F", "--", path, stderr = "log" } do
    coroutine.yield(utf8.len(line) and line or (line:gsub("[\x80-\xff]", "?")))
  end
end)

-- The text of a file that everybody may read.
procedure("file", { user = "nobody", timeout = 10 }, function(path)
  local file <close>, reason = io.open(path)
  local text
  if file then text, reason = file:read "a" end
  if not text then error{ type = "no_file", message = reason } end
  return text
end)

-- The checksum of a file that everybody may read. It takes time and disk: two
-- at once, more wait.
command("checksum", {
  user = "nobody", lock = { "disk", 2 }, limits = { memory = 512 << 20, cpu = 600 }, check = true,
}, { "sha256sum", "--", arg "file" })

local function state_of(service)
  local state = {}
  for line in harp.exec{ "systemctl", "show", "--property=ActiveState,SubState,NRestarts", "--", service } do
    local property, v = line:match "^(%w+)=(.*)$"
    if property then state[property] = v end
  end
  return state
end

-- What systemd knows of a service: its state, and how often it was restarted.
procedure("service_status", { user = "nobody", timeout = 10 }, state_of)

-- Restarts a service, one at a time on this machine, and tells its new state.
procedure("service_restart", { users = OPERATORS, lock = "service", timeout = 120 }, function(service)
  if not SERVICES[service] then
    error{ type = "unknown_service", message = ("%s is not a service to restart"):format(service) }
  end
  local result = harp.exec{ "systemctl", "restart", "--", service }:result()
  if result.status ~= 0 then error{ type = "restart_failed", message = result.stderr } end
  local info = harp.call_info()
  io.stderr:write(("%s restarted for %s\n"):format(service, info.user))   -- into the daemon's log
  return state_of(service)
end)

-- Installs what updates there are. Not twice at once: the second is refused.
command("upgrade", {
  users = OPERATORS, lock = { "apt", wait = false }, timeout = 3600, check = true, stderr = "merge",
  env = { DEBIAN_FRONTEND = "noninteractive" },
}, { "apt-get", "--yes", "upgrade" })

local function version_of(package)
  local query = harp.exec{ "dpkg-query", "--show", "--showformat=${Version}", "--", package }
  local version, result = query:all()[1], query:result()
  if result.status ~= 0 then error{ type = "no_package", message = result.stderr:match "[^\n]*" } end
  return version
end

-- The version of a package that is installed.
procedure("installed_version", { user = "nobody", timeout = 10 }, version_of)

-- Brings a package to a version, an older one, too.
procedure("install_version", { users = OPERATORS, lock = "apt", timeout = 3600 }, function(package, version)
  local result = harp.exec{
    "apt-get", "install", "--yes", "--allow-downgrades", "--", ("%s=%s"):format(package, version),
    env = { DEBIAN_FRONTEND = "noninteractive" },
  }:result()
  if result.status ~= 0 then error{ type = "install_failed", message = result.stderr } end
  return version_of(package)
end)
