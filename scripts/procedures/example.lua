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
