-- Procedures for a daemon: an example to copy from. `procedure` registers a
-- function whose return value is the result, `stream` one whose every yield
-- is a packet before it. An error that it raises reaches the caller.

local harp = require "harp"

-- The sum and the difference of two numbers. Callers may name the arguments.
procedure("sum_and_difference", function(a, b)
  return { sum = a + b, difference = a - b }
end)

-- What it was given, as an array.
procedure("return_immediate", function(...)
  return harp.array{ ... }
end)

-- Seconds since 1970, and the same for people.
procedure("current_time", function()
  return { unix = os.time(), iso = os.date "!%Y-%m-%dT%H:%M:%SZ" }
end)

-- Packets for ever, one every `seconds` (default 1), until it is cancelled.
stream("stream_infinity", function(seconds)
  local i = 0
  while true do
    coroutine.yield{ counter = i }
    i = i + 1
    harp.sleep(seconds or 1)
  end
end)

-- One packet a minute. A demo makes its minutes shorter.
stream("logs_in_next_minutes", function(minutes, seconds_per_minute)
  for minute = 1, minutes do
    harp.sleep(seconds_per_minute or 60)
    coroutine.yield{ minute = minute, message = "all is well", time = os.date "!%H:%M:%S" }
  end
  return { minutes = minutes, messages = minutes }
end)

-- Packets 1 to n, `seconds` apart (default none).
stream("count", function(n, seconds)
  for i = 1, n do
    coroutine.yield(i)
    if seconds then harp.sleep(seconds) end
  end
  return { counted = n }
end)

-- Always fails, with an error that carries data.
procedure("fail", function(message)
  error{ type = "example_failure", message = message or "this always fails", data = { code = 42 } }
end)

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

-- Seconds since this machine was started, and its load averages.
procedure("uptime", function()
  local one, five, fifteen = read "/proc/loadavg":match "(%S+) (%S+) (%S+)"
  return {
    seconds = tonumber(read "/proc/uptime":match "%S+"),
    load = { tonumber(one), tonumber(five), tonumber(fifteen) },
  }
end)

-- Use of the file system that holds `path` (default "/"), in KiB.
procedure("disk_usage", function(path)
  local df = harp.exec{ "df", "-kP", "--", path or "/", env = { LC_ALL = "C" } }
  local lines, result = df:all(), df:result()
  if result.status ~= 0 then
    error{ type = "disk_usage", message = result.stderr:match "[^\n]*" }
  end
  local device, size, used, free, percent = lines[2]:match "^(%S+)%s+(%d+)%s+(%d+)%s+(%d+)%s+(%d+)%%"
  return {
    device = device, size = tonumber(size), used = tonumber(used), free = tonumber(free),
    used_percent = tonumber(percent),
  }
end)

-- What this machine is: its name, system, kernel, processors, memory in MiB.
procedure("facts", function()
  local _, processors = read "/proc/cpuinfo":gsub("processor%s*:", "")
  return {
    name = read "/proc/sys/kernel/hostname":match "[^\n]*",
    system = read "/etc/os-release":match 'PRETTY_NAME="([^"]*)"',
    kernel = read "/proc/sys/kernel/osrelease":match "[^\n]*",
    processors = processors,
    memory = math.tointeger(read "/proc/meminfo":match "MemTotal:%s*(%d+)") // 1024,
  }
end)

-- A file's text: any that the daemon may read, so this is not for a daemon that others call.
procedure("file", function(path)
  local file <close>, reason = io.open(path)
  local text
  if file then text, reason = file:read "a" end
  if not text then error{ type = "no_file", message = reason } end
  return text
end)

-- tail would wait for a file that is not there, and say so to nobody.
local function check_file(path)
  local file <close>, reason = io.open(path)
  local _
  if file then _, reason = file:read(0) end
  if reason then error{ type = "no_file", message = reason } end
end

-- The last `lines` lines of a file (10), and each new one, until it is cancelled.
stream("follow_file", function(lines, path)
  check_file(path)
  for line in harp.exec{ "tail", "--lines=" .. (lines or 10), "-F", "--", path, stderr = "log" } do
    coroutine.yield(utf8.len(line) and line or (line:gsub("[\x80-\xff]", "?")))
  end
end)

-- From here on it is a game: what services and packages there are, and what is
-- done to them, is remembered in files beside this one, and whatever is fragile
-- by name breaks. The daemon of --local is many hosts at once, so that names
-- say whose a service is: web@web01. operations.lua has procedures of the same
-- names that do what they say.

local directory = debug.getinfo(1, "S").source:match "^@(.*/)" or "./"

local function path_of(kind, name)
  if not name:find "^[%w@_][%w@_.-]*$" then
    error{ type = "bad_name", message = ("no %s has such a name"):format(kind) }
  end
  return ("%s%s.%s"):format(directory, name, kind)
end

local function recall(kind, name)
  local file <close> = io.open(path_of(kind, name))
  return file and file:read "a"
end

-- Who reads at the same time sees the old text or the new one.
local function remember(kind, name, text)
  local path = path_of(kind, name)
  local file = assert(io.open(path .. ".new", "w"))
  assert(file:write(text))
  assert(file:close())
  assert(os.rename(path .. ".new", path))
end

local function state_of(service)
  local restarts = tonumber(recall("service", service) or 0)
  local breaks = restarts > 0 and service:find("fragile", 1, true)
  return { ActiveState = breaks and "failed" or "active", NRestarts = restarts }
end

-- The state of a service of the game, and how often it was restarted.
procedure("service_status", state_of)

-- Restarts a service of the game. A fragile one fails from then on. One call at
-- a time, so that all are counted.
procedure("service_restart", { lock = true }, function(service)
  remember("service", service, ("%d"):format(state_of(service).NRestarts + 1))
  return state_of(service)
end)

-- The version of a package of the game; they all begin as 1.0.
procedure("installed_version", function(package) return recall("package", package) or "1.0" end)

-- Brings a package of the game to a version. A fragile one stands no other than 1.0.
procedure("install_version", { lock = true }, function(package, version)
  if version ~= "1.0" and package:find("fragile", 1, true) then
    error{ type = "install_failed", message = ("%s %s: no space left"):format(package, version) }
  end
  remember("package", package, version)
  return version
end)
