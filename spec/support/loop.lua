--- An event loop for the peers of the specs: coroutines over socket.select.
-- Sockets never block; `receive`, `send`, `line`, `accept`, `connect` and
-- `sleep` suspend the coroutine that calls them. Some 500 connections at once
-- (select's 1024 descriptors).

local socket = require "socket"

local loop = {}

local readers, writers, timers = {}, {}, {}   -- socket or coroutine -> who waits, until when

-- An error is the end of the process: whoever relies on it must notice.
local function resume(task, ...)
  local ok, failure = coroutine.resume(task, ...)
  if ok then return end
  io.stderr:write(debug.traceback(task, tostring(failure)), "\n")
  os.exit(1)
end

local function wait(set, sock)
  set[sock] = coroutine.running()
  coroutine.yield()
end

--- Runs a function as a task, until it waits for the first time.
function loop.spawn(fn, ...)
  local task = coroutine.create(fn)
  resume(task, ...)
  return task
end

--- Suspends until `loop.wake(task)`.
function loop.park() coroutine.yield() end

function loop.wake(task) resume(task) end

function loop.sleep(seconds)
  timers[coroutine.running()] = socket.gettime() + seconds
  coroutine.yield()
end

--- A task that sleeps never wakes.
function loop.drop(task) timers[task] = nil end

-- ---- sockets ----

--- Whatever has come in; nil at the end of the stream.
function loop.receive(sock)
  while true do
    local data, reason, partial = sock:receive(65536)
    data = data or partial
    if data ~= "" then return data end
    if reason ~= "timeout" then return nil end
    wait(readers, sock)
  end
end

--- A line without its end; nil and "closed", or "long" with more than `limit` bytes.
function loop.line(sock, limit)
  local partial = ""
  while true do
    local line, reason, rest = sock:receive("*l", partial)
    if #(line or rest) > (limit or math.huge) then return nil, "long" end
    if line or reason ~= "timeout" then return line, reason end
    partial = rest
    wait(readers, sock)
  end
end

--- Sends all of it; nil when the peer has gone.
function loop.send(sock, data)
  local from = 1
  while from <= #data do
    local last, reason, partial = sock:send(data, from)
    if not last and reason ~= "timeout" then return nil end
    from = (last or partial) + 1
    if not last then wait(writers, sock) end
  end
  return true
end

local function ready(sock)
  sock:settimeout(0)
  sock:setoption("tcp-nodelay", true)
  return sock
end

--- A connection to a port of this machine, or nil.
function loop.connect(port)
  local sock = ready(socket.tcp4())
  local ok, reason = sock:connect("127.0.0.1", port)
  if not ok and reason == "timeout" then
    wait(writers, sock)
    ok = sock:getpeername()
  end
  if ok then return sock end
  sock:close()
end

--- Listens on a port of this machine (0: any) and runs `serve(connection)` as
-- a task for each that comes; returns the listening socket and its port.
function loop.listen(port, serve)
  local listener = assert(socket.bind("127.0.0.1", port, 512))
  listener:settimeout(0)
  loop.spawn(function()
    while true do
      local sock = listener:accept()
      if sock then loop.spawn(serve, ready(sock)) else wait(readers, listener) end
    end
  end)
  local _, bound = listener:getsockname()
  return listener, math.tointeger(tonumber(bound))
end

-- Bytes left unread would turn the FIN of a close into a RST.
local function drain(sock)
  for _ = 1, 64 do
    if not sock:receive(65536) then return end
  end
end

--- Closes by "fin" (default) or "rst". A task that waits for the socket is dropped.
function loop.close(sock, by)
  if by == "rst" then
    sock:setoption("linger", { on = true, timeout = 0 })
  else
    drain(sock)
  end
  readers[sock], writers[sock] = nil, nil
  sock:close()
end

--- Closes a listening socket.
function loop.stop(listener)
  readers[listener] = nil
  listener:close()
end

-- ---- turning ----

local function keys(set)
  local list = {}
  for key in pairs(set) do list[#list + 1] = key end
  return list
end

local function next_timer()
  local first = math.huge
  for _, time in pairs(timers) do first = math.min(first, time) end
  return first < math.huge and math.max(0, first - socket.gettime()) or nil
end

local function take(set, key)
  local value = set[key]
  set[key] = nil
  return value
end

local function wake_sockets(set, list)
  for _, sock in ipairs(list) do
    local task = take(set, sock)
    if task then resume(task) end
  end
end

local function wake_sleepers()
  local now = socket.gettime()
  for _, task in ipairs(keys(timers)) do
    if timers[task] and timers[task] <= now then
      timers[task] = nil
      resume(task)
    end
  end
end

--- Turns for ever.
function loop.run()
  while true do
    local readable, writable = socket.select(keys(readers), keys(writers), next_timer())
    wake_sockets(readers, readable)
    wake_sockets(writers, writable)
    wake_sleepers()
  end
end

return loop
