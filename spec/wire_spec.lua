-- Messages as others may send them: what is read of them, and that what is
-- said about them can be read in turn.

local harness = require "spec.support.harness"
local harp = require "harp"

local ask = harness.ask

-- A peer of one connection: says `text`, whatever it is asked, and hangs up.
local function peer(text, certificate, key)
  local script = harness.write(harness.directory() .. "/peer.lua", ([[
    local listener = assert(require "socket".bind("127.0.0.1", 0))
    print("listening on 127.0.0.1:" .. select(2, listener:getsockname()))
    io.stdout:flush()
    local connection = listener:accept()
    if %q ~= "" then
      connection = require "ssl".wrap(connection, {
        mode = "server", protocol = "any", options = "all", certificate = %q, key = %q })
      assert(connection:dohandshake())
    end
    connection:receive "*l"
    connection:send(%q)
    connection:close()]]):format(certificate or "", certificate or "", key or "", text))
  return harness.serve("peer", "lua5.4 " .. script)
end

describe("the dispatcher", function()
  local daemon, dispatcher

  setup(function()
    daemon = harness.daemon()
    dispatcher = harness.dispatcher{ daemon = daemon }
  end)

  teardown(harness.clean_up)

  local function answer(line) return harp.decode(ask(dispatcher, line .. "\n")[1]) end

  it("names a member that it does not know by whole characters", function()
    for length = 70, 90 do
      local name = ("x"):rep(length % 2) .. ("é"):rep(length)
      local failure = answer(('{"harpcaller":1,"cancel":"x",%q:1}'):format(name)).error
      assert.equal("invalid_request", failure.type)
      assert.truthy(failure.message:find("éé…", 1, true))
    end
  end)

  it("shows no control characters of others", function()
    local failure = answer [[{"harpcaller":1,"cancel":"x","\u001b[2J\u009b":1}]].error
    assert.equal('unknown member "?[2J?"', failure.message)
  end)

  it("refuses a request with a string behind it that does not end", function()
    assert.equal("parse_error", answer '{"harpcaller":1,"cancel":"x"}"'.error.type)
    assert.equal("parse_error", answer '{"harpcaller":1,"cancel":"x"} "abc'.error.type)
  end)

  it("refuses a queue's name with a member twice, however it is spelt", function()
    local failure = answer([[{"harpcaller":1,"host":"localhost","procedure":"sum","arguments":[1,2],]]
      .. [["queue":{"name":{"a":{"b":1,"\u0062":2}}}}]]).error
    assert.equal("invalid_request", failure.type)
    assert.truthy(failure.message:find 'doubled member "b"')
  end)

  it("keeps a limit below a microsecond as one", function()
    local host = harp.caller{ host = "127.0.0.1", port = dispatcher.port }:host("localhost", { timeout = 1e-7 })
    local _, failure = pcall(function() return host.sleep(100):get() end)
    assert.equal("timeout", failure.type)
  end)
end)

describe("a daemon that sends what is not UTF-8", function()
  teardown(harness.clean_up)

  it("fails the job, and the reason can be read", function()
    local directory = harness.directory()
    local certificate, key, pin = harness.certificate(directory)
    local other = peer('{"\xff\27[2J\n', certificate, key)
    local dispatcher = harness.dispatcher{ daemon = { port = other.port, pin = pin } }
    local caller = harp.caller{ host = "127.0.0.1", port = dispatcher.port }
    local failure = caller:host("localhost").sum(1, 2):result{ wait = true }
    other:stop "0"
    assert.is_true(harp.is_error(failure, "RemoteError"))
    assert.equal("bad_protocol", failure.type)
    assert.truthy(failure.message:find('{"??[2J', 1, true), failure.message)
    assert.truthy(harp.encode(failure.message))
  end)
end)

describe("a dispatcher's packet", function()
  teardown(harness.clean_up)

  local refused = {
    ["with a number below 0"] = '{"packet":-1,"data":1}',
    ["with a number that is none"] = '{"packet":18446744073709551616,"data":1}',
    ["with an infinite time"] = '{"packet":0,"data":1,"time":1e999}',
    ["that is not UTF-8"] = '{"packet":0,"data":"\xff"}',
    ["with something behind it"] = '{"packet":0,"data":1}"',
  }
  for what, line in pairs(refused) do
    it(what .. " is a bad_protocol", function()
      local other = peer(line .. "\n")
      local job = harp.caller(other.address):job "x"
      local ok, failure = pcall(function() for _ in job:follow{ since = 0 } do error "a packet" end end)
      other:stop "0"
      assert.is_false(ok)
      assert.equal("bad_protocol", failure.type)
      assert.truthy(harp.encode(failure.message))
    end)
  end
end)
