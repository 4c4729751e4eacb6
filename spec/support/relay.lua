--- What peers that stand in for others in the specs have in common: they
-- listen, and pass on what comes. A peer is a lua5.4 of its own, started by
-- harness.peer with a file of settings as its argument.

local socket = require "socket"

local relay = {}

--- The settings.
function relay.settings()
  return dofile(arg[1])
end

-- Passes on what has come from one to the other; false at the end.
local function pass_on(from, to)
  repeat
    from:settimeout(0)
    local bytes, reason, part = from:receive(65536)
    bytes = bytes or part
    if #bytes > 0 then
      to:settimeout(5)
      if not to:send(bytes) then return false end
    end
    if reason == "closed" then return false end
  until not (from.dirty and from:dirty())
  return true
end

--- Serves for ever. `open(client)` returns two sockets that are joined from
-- then on; or nothing when it has dealt with the client itself.
function relay.serve(open, port)
  local listener = assert(socket.bind("127.0.0.1", port or 0))
  local opposite, list = {}, { listener }
  print("listening on 127.0.0.1:" .. (select(2, listener:getsockname())))
  io.stdout:flush()

  local function join(a, b)
    opposite[a], opposite[b] = b, a
    list[#list + 1], list[#list + 2] = a, b
  end

  local function part(a)
    local b = opposite[a]
    for i = #list, 2, -1 do
      if list[i] == a or list[i] == b then table.remove(list, i) end
    end
    opposite[a], opposite[b] = nil, nil
    a:close()
    b:close()
  end

  while true do
    for _, ready in ipairs(socket.select(list)) do
      if ready == listener then
        local client = listener:accept()
        client:settimeout(5)
        client:setoption("tcp-nodelay", true)
        local a, b = open(client)
        if a then join(a, b) else client:close() end
      elseif opposite[ready] and not pass_on(ready, opposite[ready]) then
        part(ready)
      end
    end
  end
end

return relay
