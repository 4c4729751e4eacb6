-- The daemon as stock dispatchers call it: old TLS, and members to the letter.

local certificates = require "spec.support.certificates"
local harness = require "spec.support.harness"
local json = require "spec.support.json"
local stock_caller = require "spec.support.stock_caller"

local call = stock_caller.call

describe("a stock dispatcher", function()
  teardown(harness.clean_up)

  it("loses the job by a member too many, too few or out of place: the look-alike does", function()
    local function judge(...)
      local lines = {}
      for i, text in ipairs{ ... } do lines[i] = json.decode(text) end
      return select(2, stock_caller.judge(lines))
    end
    local value, stream = '{"harp":1,"stream_result":false}', '{"harp":1,"stream_result":true}'
    assert.is_nil(judge(value, '{"result":1}'))
    assert.is_nil(judge(stream, '{"stream":1}', '{"harp":1,"error":{"type":"t","message":"m"}}'))
    assert.equal(1, judge('{"harp":1,"stream_result":false,"x":1}', '{"result":1}'))
    assert.equal(1, judge('{"result":1}'))
    assert.equal(1, judge(value))
    assert.equal(2, judge(value, '{"stream":1}', '{"result":1}'))
    assert.equal(2, judge(value, '{"result":1,"x":1}'))
    assert.equal(2, judge(value, '{"error":{"type":"t","message":"m"}}'))
    assert.equal(2, judge(value, '{"exception":{"type":"t","message":"m","where":1}}'))
    assert.equal(2, judge(stream, '{"stream":1,"n":0}', '{"result":1}'))
    assert.equal(2, judge(stream, '{"stream":1}'))
  end)

  describe("where the daemon has tls = \"legacy\"", function()
    local daemon

    setup(function() daemon = harness.daemon{ settings = 'tls = "legacy"' } end)

    it("gets TLS of a version that it offers, with a CBC suite", function()
      local connection = assert(stock_caller.connect(daemon))
      local info = connection:info()
      assert.truthy(info.protocol == "TLSv1.1" or info.protocol == "TLSv1", info.protocol)
      assert.truthy(info.encryption:find "^AES")
      assert.equal("SHA1", info.mac)
      connection:close()
    end)

    it("gets a value", function()
      assert.same({ packets = {}, outcome = { result = 5 } }, call(daemon, "sum", json.array{ 2, 3 }))
      assert.same({ packets = {}, outcome = { result = 5 } }, call(daemon, "sum", { a = 2, b = 3 }))
    end)

    it("gets each packet of a stream, and its result, null where there is none", function()
      assert.same({ packets = { { i = 1 }, { i = 2 } }, outcome = { result = { msg = "end" } } },
        call(daemon, "count", json.array{ 2 }))
      assert.same({ packets = { 1 }, outcome = { result = json.null } }, call(daemon, "quiet", json.array{}))
    end)

    it("gets a burst whole, and an answer of megabytes", function()
      local answer = assert(call(daemon, "count", json.array{ 5000 }))
      assert.equal(5000, #answer.packets)
      for i, packet in ipairs(answer.packets) do assert.equal(i, packet.i) end
      assert.equal(3000000, #assert(call(daemon, "text", json.array{ 3000000 })).outcome.result)
    end)

    it("gets exceptions and errors with the members that it takes", function()
      assert.equal("paper", assert(call(daemon, "fail", json.array{})).outcome.exception.type)
      assert.equal("LuaError", assert(call(daemon, "boom", json.array{ "x" })).outcome.exception.type)
      assert.equal("invalid_message", assert(call(daemon, "bad", json.array{})).outcome.error.type)
      assert.equal("no_such_procedure", assert(call(daemon, "no_such", json.array{})).outcome.error.type)
      assert.equal("invalid_argument_list", assert(call(daemon, "sum", { c = 1 })).outcome.error.type)
    end)

    it("is served as well with the kind of key that stock daemons have", function()
      local directory = harness.directory()
      local made = certificates.make(directory, { algorithm = "rsa:2048" })
      local other = harness.daemon{ settings = ('tls = "legacy" certificate = %q key = %q'):format(
        made.certificate, made.key) }
      assert.same({ result = 5 }, assert(call(other, "sum", json.array{ 2, 3 })).outcome)
      other:stop()
    end)

    it("leaves the newest TLS to those who have it", function()
      local connection = harness.connect_tls(daemon)
      assert.equal("TLSv1.3", connection:info().protocol)
      connection:close()
    end)
  end)

  it("is refused otherwise, and the daemon's log says by what setting it would not be", function()
    local daemon = harness.daemon()
    local answer, reason = call(daemon, "sum", json.array{ 2, 3 })
    assert.is_nil(answer)
    assert.truthy(reason:find "protocol version", reason)
    local line
    harness.eventually(function()
      line = harness.read(daemon.log):match "[^\n]*legacy[^\n]*"
      return line
    end)
    assert.truthy(line:find("from=127.0.0.1:", 1, true), line)
    assert.truthy(line:find 'tls = \\?"legacy\\?"', line)
    daemon:stop()
  end)
end)
