--- A daemon that does wrong what it is asked to do wrong: the procedure's name
-- says what. One call after the other, over TLS.
--
-- Settings: certificate, key; heard (a file that gets the lines "NAME waiting"
-- and, when the caller has hung up on that one, "NAME closed").

package.path = "./?.lua;" .. package.path
local relay = require "spec.support.relay"
local socket = require "socket"
local ssl = require "ssl"

local settings = relay.settings()

local ACCEPTED, STREAM = '{"harp":1,"stream_result":false}\n', '{"harp":1,"stream_result":true}\n'

-- What is sent before the connection is closed.
local texts = {
  close = "",
  close_after = ACCEPTED,
  close_inside = ACCEPTED .. '{"resu',
  garbage = "220 hello\n",
  garbage_after = ACCEPTED .. "\0\255{{{\n",
  early = '{"result":1}\n',
  twice = ACCEPTED .. ACCEPTED,
  packet = ACCEPTED .. '{"stream":1}\n{"result":2}\n',
  two_in_one = ACCEPTED .. '{"result":1,"stream":2}\n',
  no_message = '{"harp":1,"error":{"type":"x"}}\n',
  odd_error = STREAM .. '{"stream":1}\n{"harp":1,"error":{"type":"system_error","message":"disk","data":[7]}}\n',
}

-- What is sent before nothing more is.
local mute = { mute = "", mute_after = ACCEPTED, mute_stream = STREAM .. '{"stream":1}\n' }

local function hear(line)
  local file = assert(io.open(settings.heard, "a"))
  file:write(line, "\n")
  file:close()
end

local function wait_for_hang_up(client, name)
  hear(name .. " waiting")
  client:settimeout(100)        -- longer than harness.PATIENCE
  client:receive(1)
  hear(name .. " closed")
end

local others = {}

function others.endless(client)
  client:send(ACCEPTED .. '{"result":"')
  while client:send(("x"):rep(65536)) do end
  hear "endless closed"
end

function others.rude(client)
  client:send(ACCEPTED)
  socket.sleep(0.05)
  os.exit(0, false)             -- without a goodbye of TLS
end

local function serve(client, name)
  if texts[name] then
    client:send(texts[name])
  elseif mute[name] then
    client:send(mute[name])
    wait_for_hang_up(client, name)
  else
    others[name](client)
  end
end

relay.serve(function(client)
  client = assert(ssl.wrap(client, { mode = "server", protocol = "any", verify = "none",
    certificate = settings.certificate, key = settings.key }))
  client:settimeout(5)
  if client:dohandshake() then
    local line = client:receive "*l"
    local name = line and line:match '"procedure":"([%w_]+)"'
    if name then serve(client, name) end
  end
  client:close()
end)
