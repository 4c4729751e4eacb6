--- stock_daemon.lua certificate=FILE key=FILE: a daemon as stock ones were seen
-- to be (protocol §2): TLS 1.0 only, one call per connection, one connection
-- after the other, no TCP_NODELAY.

local socket = require "socket"
local ssl = require "ssl"
local json = require "spec.support.json"
local procedures = require "spec.support.procedures"
local words = require "spec.support.words"

local options = words.parse(table.concat(arg, " "))

-- OpenSSL 3 counts TLS 1.0 (MD5 and SHA-1 in its handshake) among level 0.
local context = assert(ssl.newcontext{
  mode = "server", protocol = "tlsv1", ciphers = "ALL:@SECLEVEL=0", options = "all",
  certificate = options.certificate, key = options.key,
})

local function refusal(type, message)
  return { harp = 1, error = { type = type, message = message } }
end

local function is_authentic(auth) return auth.user == "tester" and auth.password == "secret" end

-- The request, or nil and the refusal; keys that it does not know are ignored.
local function parse(line)
  local ok, request = pcall(json.decode, line)
  if not ok then return nil, refusal("parse_error", "not JSON") end
  if not json.is_object(request) then return nil, refusal("invalid_request", "not an object") end
  if request.harp ~= 1 then return nil, refusal("invalid_protocol", "unknown protocol") end
  if type(request.procedure) ~= "string" or type(request.arguments) ~= "table" or not json.is_object(request.auth) then
    return nil, refusal("invalid_request", "missing or invalid field")
  end
  if not is_authentic(request.auth) then return nil, refusal("auth_error", "authentication failed") end
  return request
end

local function answer(line, send)
  local request, refused = parse(line)
  if not request then return send(refused) end
  local procedure, list = procedures.find(request.procedure, request.arguments)
  if not procedure then return send{ harp = 1, error = list } end
  send{ harp = 1, stream_result = procedure.stream or false }
  send(procedures.run(procedure, list, {
    emit = function(value) send{ stream = value } end,
    sleep = socket.sleep,
  }))
end

local function serve(connection)
  connection:settimeout(10)
  if not connection:dohandshake() then return end
  local line = connection:receive "*l"
  if not line then return end
  answer(line, function(message) connection:send(json.encode(message, json.shortest) .. "\n") end)
end

local listener = assert(socket.bind("127.0.0.1", options.port or 0))
local _, port = listener:getsockname()
print("listening on 127.0.0.1:" .. port)
io.stdout:flush()
while true do
  local accepted = listener:accept()
  local connection = ssl.wrap(accepted, context)
  serve(connection)
  connection:close()
end
