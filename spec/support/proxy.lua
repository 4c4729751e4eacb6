--- proxy.lua port=PORT: stands in front of a server of this machine, passes
-- bytes both ways, and does harm when told to.
--
-- Prints where it listens, and where it is told: lines `command name=value…`,
-- answered by `ok …` or `error …` once they are in force. The commands are
-- described in spec/README.md; harness.proxy makes methods of them.

local socket = require "socket"
local loop = require "spec.support.loop"
local words = require "spec.support.words"

-- What each harm can be told, and what it is without. `from`: whose bytes;
-- `times`: for how many connections, after letting `skip` of them pass;
-- `now`: for those that are open instead.
local HARMS = {
  cut = { after = 0, lines = false, from = "server", by = "fin", times = 1 },
  swallow = { after = 0, lines = false, from = "server", by = "fin", times = 1 },
  stall = { after = 0, lines = false, from = "server", times = 1 },
  corrupt = { at = 0, byte = 255, from = "server", times = 1 },
  delay = { seconds = 0.1, from = "both", times = math.huge },
  split = { size = 1, random = false, from = "both", times = math.huge },
  idle = { seconds = 1, by = "fin", times = math.huge },
}
for _, options in pairs(HARMS) do options.skip, options.now = 0, false end

local target = words.parse(table.concat(arg, " ")).port
local coming = {}               -- name -> harm, for connections to come
local connections = {}          -- a set
local count = { made = 0, open = 0, from_client = 0, from_server = 0 }

-- ---- a connection: two sockets, two flows, its own copy of each harm ----

local function close(connection, by)
  if connection.closed then return end
  connection.closed = true
  connections[connection] = nil
  count.open = count.open - 1
  loop.close(connection.client, by)
  if connection.server then loop.close(connection.server, by) end
end

local function hold(connection)
  while connection.held and not connection.closed do
    connection.parked[#connection.parked + 1] = coroutine.running()
    loop.park()
  end
end

local function thaw(connection)
  local parked = connection.parked
  connection.held, connection.parked = false, {}
  for _, task in ipairs(parked) do loop.wake(task) end
end

-- ---- limits: what happens after so many bytes or lines ----

local function is_spent(harm) return (harm.lines or harm.after) == 0 end

local function skip_lines(data, lines)
  local position = 0
  while lines > 0 do
    local found = data:find("\n", position + 1, true)
    if not found then return #data, lines end
    position, lines = found, lines - 1
  end
  return position, 0
end

-- How many bytes of the data may pass; counts them.
local function spend(harm, data)
  local n
  if harm.lines then
    n, harm.lines = skip_lines(data, harm.lines)
  else
    n = math.min(#data, harm.after)
    harm.after = harm.after - n
  end
  return n
end

local function strike(connection, harm)
  connection.harms[harm.name] = nil
  if harm.name == "stall" then
    connection.held = true
  else
    close(connection, harm.by)
  end
end

local function limit_of(flow)
  for _, name in ipairs{ "cut", "swallow", "stall" } do
    local harm = flow.connection.harms[name]
    if harm and harm.from == flow.from then return harm end
  end
end

local WATCHED = { cut = true, stall = true }   -- strikes as soon as it is spent, not at the next byte

-- ---- a flow: bytes one way ----

local function deliver(flow, data)
  hold(flow.connection)
  if flow.connection.closed then return end
  flow.connection.last = socket.gettime()
  if not loop.send(flow.sink, data) then return close(flow.connection, "rst") end
  local name = "from_" .. flow.from
  count[name] = count[name] + #data
end

local function pass(flow, data)
  local harm = limit_of(flow)
  if not harm then return deliver(flow, data) end
  local n = spend(harm, data)
  if n > 0 then deliver(flow, data:sub(1, n)) end
  if n < #data or (WATCHED[harm.name] and is_spent(harm)) then strike(flow.connection, harm) end
  if n < #data and not flow.connection.closed then return pass(flow, data:sub(n + 1)) end
end

local function harm_of(flow, name)
  local harm = flow.connection.harms[name]
  return harm and (harm.from == "both" or harm.from == flow.from) and harm
end

local function corrupted(flow, data)
  local harm = harm_of(flow, "corrupt")
  if not harm then return data end
  local at = harm.at
  harm.at = at - #data
  if at < 0 or at >= #data then return data end
  return data:sub(1, at) .. string.char(harm.byte) .. data:sub(at + 2)
end

local function size_of_piece(flow, data)
  local harm = harm_of(flow, "split")
  if not harm then return #data end
  return harm.random and math.random(harm.random) or harm.size
end

local function relay(flow, data)
  local at = 1
  while at <= #data and not flow.connection.closed do
    local size = size_of_piece(flow, data)
    local delay = harm_of(flow, "delay")
    if delay or at > 1 then loop.sleep(delay and delay.seconds or 0) end
    if flow.connection.closed then return end
    pass(flow, corrupted(flow, data:sub(at, at + size - 1)))
    at = at + size
  end
end

-- A reset is handed on as one. What tells it from an end: no peer any more,
-- though nothing was shut down from here.
local function finish(flow)
  local connection = flow.connection
  hold(connection)
  if connection.closed then return end
  if not connection.half and not flow.source:getpeername() then return close(connection, "rst") end
  if connection.half then return close(connection) end
  connection.half = true
  flow.sink:shutdown "send"
end

local function pump(connection, from, source, sink)
  local flow = { connection = connection, from = from, source = source, sink = sink }
  for data in loop.receive, source do
    relay(flow, data)
    if connection.closed then return end
  end
  finish(flow)
end

-- ---- harm, per connection ----

local function watch(connection, harm)
  local left = harm.seconds
  while left > 0 do
    loop.sleep(left)
    if connection.closed or connection.harms.idle ~= harm then return end
    left = connection.last + harm.seconds - socket.gettime()
  end
  close(connection, harm.by)
end

local function inflict(connection, harm)
  local own = {}
  for name, v in pairs(harm) do own[name] = v end
  connection.harms[own.name] = own
  if own.name == "idle" then loop.spawn(watch, connection, own) end
  if WATCHED[own.name] and is_spent(own) then strike(connection, own) end
end

local function inflict_coming(connection)
  for name, harm in pairs(coming) do
    if harm.skip > 0 then
      harm.skip = harm.skip - 1
    else
      harm.times = harm.times - 1
      if harm.times <= 0 then coming[name] = nil end
      inflict(connection, harm)
    end
  end
end

local function serve(client)
  local connection = { client = client, harms = {}, parked = {}, last = socket.gettime() }
  connections[connection] = true
  count.made, count.open = count.made + 1, count.open + 1
  inflict_coming(connection)
  if connection.closed then return end
  local server = loop.connect(target)
  if not server then return close(connection, "rst") end
  if connection.closed then return server:close() end
  connection.server = server
  loop.spawn(pump, connection, "client", client, server)
  loop.spawn(pump, connection, "server", server, client)
end

-- ---- listening ----

-- Keeps the port for us while nobody listens on it.
local guard = socket.tcp4()
guard:setoption("reuseaddr", true)
assert(guard:bind("127.0.0.1", 0))
local _, port = guard:getsockname()

local listener

local function listen()
  listener = listener or loop.listen(port, serve)
end

local function refuse()
  if listener then loop.stop(listener) end
  listener = nil
end

-- ---- commands ----

local commands = {}

local function check(name, options, known)
  for option, v in pairs(options) do
    if known[option] == nil then error(("%s has no option %q"):format(name, option), 0) end
    if option == "by" and v ~= "fin" and v ~= "rst" then error("by must be fin or rst", 0) end
    if option == "from" and v ~= "server" and v ~= "client" and (v ~= "both" or known.from ~= "both") then
      error(name .. " cannot be from " .. tostring(v), 0)
    end
  end
end

for name, defaults in pairs(HARMS) do
  commands[name] = function(options)
    check(name, options, defaults)
    local harm = { name = name }
    for option, v in pairs(defaults) do harm[option] = v end
    for option, v in pairs(options) do harm[option] = v end
    if not harm.now then coming[name] = harm return end
    for connection in pairs(connections) do inflict(connection, harm) end
  end
end

function commands.pass()
  coming = {}
  listen()
  for connection in pairs(connections) do
    connection.harms = {}
    thaw(connection)
  end
end

function commands.refuse(options)
  check("refuse", options, { seconds = true })
  refuse()
  if options.seconds then
    loop.spawn(function() loop.sleep(options.seconds) listen() end)
  end
end

function commands.listen() listen() end

function commands.cut_all(options)
  check("cut_all", options, { by = true })
  for connection in pairs(connections) do close(connection, options.by) end
end

function commands.aim(options) target = options.port end

function commands.count() return words.format(count) end

local function obey(control)
  for line in function() return loop.line(control) end do
    local name, rest = line:match "^(%S+)%s*(.*)$"
    local ok, answer = pcall(commands[name], words.parse(rest))
    loop.send(control, ("%s %s\n"):format(ok and "ok" or "error", answer or ""))
  end
end

listen()
local _, steering = loop.listen(0, obey)
print("listening on 127.0.0.1:" .. port)
print("told on 127.0.0.1:" .. steering)
io.stdout:flush()
loop.run()
