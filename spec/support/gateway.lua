-- A proxy: SOCKS 5 and 4a, and HTTP that makes tunnels by CONNECT.
--
-- Settings: user, password (demanded by SOCKS 5 and HTTP), log (a file that
-- gets a line "KIND HOST PORT" for each request), hosts (names that it knows
-- and the address of each).

package.path = "./?.lua;" .. package.path
local mime = require "mime"
local relay = require "spec.support.relay"
local socket = require "socket"

local settings = relay.settings()

local function log(...)
  if not settings.log then return end
  local file = assert(io.open(settings.log, "a"))
  file:write(table.concat({ ... }, " "), "\n")
  file:close()
end

local function open(kind, host, port)
  log(kind, host, port)
  return socket.connect(settings.hosts and settings.hosts[host] or host, port)
end

local function byte(client) return client:receive(1):byte() end
local function port(client) return (">I2"):unpack(client:receive(2)) end

-- RFC 1929
local function is_let_in(client)
  client:receive(1)
  local user = client:receive(byte(client))
  local password = client:receive(byte(client))
  local good = user == settings.user and password == settings.password
  client:send(good and "\1\0" or "\1\1")
  return good
end

-- RFC 1928
local function socks5(client)
  local method = settings.user and "\2" or "\0"
  local offered = client:receive(byte(client)):find(method, 1, true)
  client:send("\5" .. (offered and method or "\255"))
  if not offered or settings.user and not is_let_in(client) then return end
  client:receive(3)
  local kind, host = byte(client), nil
  if kind == 1 then
    host = table.concat({ client:receive(4):byte(1, 4) }, ".")
  elseif kind == 3 then
    host = client:receive(byte(client))
  end
  local target = open(kind == 3 and "name" or "address", host, port(client))
  client:send((target and "\5\0" or "\5\5") .. "\0\1\0\0\0\0\0\0")
  return target
end

local function text(client)
  local bytes = {}
  repeat bytes[#bytes + 1] = client:receive(1) until bytes[#bytes] == "\0"
  return table.concat(bytes, "", 1, #bytes - 1)
end

local function socks4a(client)
  client:receive(1)
  local number = port(client)
  client:receive(4)
  text(client)
  local target = open("name", text(client), number)
  client:send((target and "\0\90" or "\0\91") .. "\0\0\0\0\0\0")
  return target
end

local function http(client)
  local line, secret = client:receive "*l", nil
  local host, number = line:match "^ONNECT %[?(.-)%]?:(%d+) HTTP"
  repeat
    line = client:receive "*l"
    secret = secret or line:match "^Proxy%-Authorization: Basic (.*)"
  until line == ""
  if settings.user and secret ~= mime.b64(settings.user .. ":" .. settings.password) then
    client:send "HTTP/1.1 407 who are you\r\nProxy-Authenticate: Basic\r\nContent-Length: 4\r\n\r\nwho?"
    return
  end
  local target = open("connect", host, number)
  client:send(target and "HTTP/1.1 200 go ahead\r\n\r\n" or "HTTP/1.1 502 not there\r\n\r\n")
  return target
end

local KINDS = { ["\5"] = socks5, ["\4"] = socks4a, C = http }

relay.serve(function(client)
  local kind = KINDS[client:receive(1)]
  local target = kind and kind(client)
  if target then return client, target end
end)
