-- A peer that speaks TLS as it is told: in front of a plain server, or as a
-- daemon that gives one answer to all calls.
--
-- Settings: certificate, key (or a list `keys` of such pairs, taken in turn),
-- protocol and ciphers as LuaSec has them, ca (a certificate of that authority
-- is demanded), forward (the port of a plain server), heard (a file that gets
-- every line that is read).

package.path = "./?.lua;" .. package.path
local relay = require "spec.support.relay"
local socket = require "socket"
local ssl = require "ssl"

local ANSWER = '{"harp":1,"stream_result":false}\n{"result":"answer"}\n'

local settings = relay.settings()
local pairs_of_files = settings.keys or { settings }
local clients = 0

local function parameters()
  clients = clients + 1
  local pair = pairs_of_files[(clients - 1) % #pairs_of_files + 1]
  return {
    mode = "server", protocol = settings.protocol or "any", ciphers = settings.ciphers,
    certificate = pair.certificate, key = pair.key, cafile = settings.ca,
    verify = settings.ca and { "peer", "fail_if_no_peer_cert" } or "none",
  }
end

local function hear(line)
  if not (settings.heard and line) then return end
  local file = assert(io.open(settings.heard, "a"))
  file:write(line, "\n")
  file:close()
end

relay.serve(function(client)
  client = assert(ssl.wrap(client, parameters()))
  client:settimeout(5)
  if not client:dohandshake() then
    client:close()
  elseif settings.forward then
    return client, assert(socket.connect("127.0.0.1", settings.forward))
  else
    local line = client:receive "*l"
    hear(line)
    if line then client:send(ANSWER) end
    client:close()
  end
end)
