--- Callers who come and never finish: they say nothing, stop in the middle of
-- their hello or behind it, or in the middle of their request; from the ten
-- addresses 127.0.0.2 to 127.0.0.11. And what that costs a call of others.

local harness = require "spec.support.harness"
local harp = require "harp"
local socket = require "socket"
local ssl = require "ssl"

local siege = {}

local ADDRESSES = 10

local function connect(daemon, number)
  local connection = assert(socket.tcp())
  assert(connection:bind("127.0.0." .. 2 + number % ADDRESSES, 0))
  assert(connection:connect("127.0.0.1", daemon.port))
  connection:settimeout(10)
  return connection
end

local function wrap(connection, timeout)
  local wrapped = assert(ssl.wrap(connection, { mode = "client", protocol = "any", verify = "none", options = "all" }))
  wrapped:settimeout(timeout)
  return wrapped
end

-- The head of a hello of 512 bytes, and as much of it.
local HALF_HELLO = "\22\3\1\2\0\1\0\1\252\3\3" .. ("h"):rep(250)

local function silent(connection) return connection end

local function half_hello(connection)
  connection:send(HALF_HELLO)
  return connection
end

local function hello(connection)
  local wrapped = wrap(connection, 0)
  wrapped:dohandshake()         -- returns before there can be an answer
  return wrapped
end

-- A daemon with many of them may have hung up before.
local function half_request(connection)
  local wrapped = wrap(connection, 10)
  if wrapped:dohandshake() then wrapped:send '{"harp":1,"procedure":"sum","arg' end
  return wrapped
end

-- A third each: silent, half a handshake, half a request.
local KINDS = { silent, half_hello, half_request, silent, hello, half_request }

--- Lays siege with so many connections; returns a function that lifts it.
function siege.lay(daemon, count)
  local connections = {}
  for i = 1, count do
    connections[i] = KINDS[i % #KINDS + 1](connect(daemon, i // #KINDS))
  end
  return function()
    for _, connection in ipairs(connections) do connection:close() end
  end
end

local function median_of_calls(server, count)
  return harness.median_seconds(count, function() assert(server.sum(2, 3) == 5) end)
end

--- The median time of so many calls (from 127.0.0.1) in a siege of so many
-- connections, and that of as many without, in seconds: the longer one of
-- before and after, as other work on the machine can come and go.
function siege.cost(daemon, connections, calls)
  local server = harp.server{ host = "127.0.0.1", port = daemon.port, user = "tester", password = "secret",
    pin = daemon.pin }
  local before = median_of_calls(server, calls)
  local lift = siege.lay(daemon, connections)
  local during = median_of_calls(server, calls)
  assert(daemon:children() > 0, "there is no siege any more")
  lift()
  harness.eventually(function() return daemon:children() == 0 end)
  return during, math.max(before, median_of_calls(server, calls))
end

return siege
