-- The client against peers with the habits of stock ones (protocol §1, §2).

local harness = require "spec.support.harness"
local harp = require "harp"

local raised = harness.raised

local function packets(iterator)
  local seen = {}
  for number, packet in iterator do seen[#seen + 1] = number .. ":" .. packet.i end
  return table.concat(seen, " ")
end

local function expected(from, to)
  local list = {}
  for i = from, to do list[#list + 1] = (i - 1) .. ":" .. i end
  return table.concat(list, " ")
end

describe("a stock dispatcher", function()
  local stock, rpc, host

  setup(function()
    stock = harness.stock{}
    rpc = harp.caller(stock.address)
    host = rpc.localhost
  end)

  teardown(harness.clean_up)

  it("serves all that is not an extension", function()
    local job = host{ queue = { q = 1 }, concurrency = 2, timeout = 5, max_exec_time = 15, info = { a = 1 } }.sum(2, 3)
    assert.equal(5, job:get())
    assert.equal(5, job:result())
    assert.same({ a = 1 }, job:info())
    assert.equal("sum", job:procedure())
    assert.is_false(job:cancel())
    assert.equal("RemoteException", job.result(host.fail()  , { wait = true }).kind)
    assert.equal("1:2 2:3", packets(host.count(3):follow{ since = 1, numbered = true }))
    assert.equal("unknown_host", raised(function() rpc.web99.sum(1, 2):get() end).type)
  end)

  it("is always told whether to wait", function()
    local job = host.sleep(100)
    assert.equal(harp.CALL_NOT_FINISHED, job:result())
    assert.is_true(job:cancel())
    assert.equal("slept", host.sleep(0.2):get())
  end)

  it("is waited for silently, also without retry_for", function()
    local short = harp.caller{ host = stock.address, idle_timeout = 0.1, retry_for = 0 }
    assert.equal("slept", short.localhost.sleep(0.5):get())
  end)

  it("gets numbers and texts that its reader survives, and gives them back unchanged", function()
    local values = { 1e22, 1.0, 1, -0.0, 1e-7, math.maxinteger, 9007199254740993, "😀", "a/b", "\0", harp.array{}, {} }
    assert.equal(harp.encode(harp.array(values)), harp.encode(host.all(table.unpack(values)):get()))
    assert.equal("float", math.type(host.echo(1.0):get()))
    assert.equal(123456789012345678, host.echo(123456789012345678):get())
  end)

  it("that does not know a job says so, for streams as well", function()
    local job = rpc:job "00000000-0000-4000-8000-000000000000"
    for _, method in ipairs{ "get", "result", "status" } do
      assert.equal("invalid_jobid", raised(job[method], job).type)
    end
    for _, method in ipairs{ "follow", "stream" } do
      assert.equal("invalid_jobid", raised(function() return job[method](job):all() end).type)
    end
  end)

  it("is refused what only ours can do, in clear words", function()
    for _, fn in ipairs{
      function() host{ dedup = { key = 1 } }.sum(1, 2) end,
      function() host.sum(1, 2):follow{ timestamps = true }() end,
      function() rpc:jobs()() end, function() rpc:queues():all() end, function() rpc:hosts():all() end,
    } do
      local failure = raised(fn)
      assert.same({ "UsageError", "unsupported" }, { failure.kind, failure.type })
      assert.truthy(failure.message:find("does not know the extension", 1, true))
    end
  end)

  it("that resets a request over 1 MiB leaves it unknown what became of the call", function()
    local failure = raised(host.echo, ("x"):rep(2000000))
    assert.equal("CommunicationError", failure.kind)
    assert.equal(3, host.sum(1, 2):get())
  end)

  describe("that says missing_result of jobs which end well", function()
    for _, at in ipairs{ "once", "end" } do
      it("is asked again: " .. at, function()
        local spurious = harness.stock{ spurious = 2, at = at == "end" and at or nil }
        local web = harp.caller(spurious.address).localhost
        assert.equal("slept", web.sleep(0.1):get())
        assert.equal(3, web.sum(1, 2):result{ wait = true })
        assert.equal(expected(1, 5), packets(web.count(5, 0.02):follow{ since = 0, numbered = true }))
        assert.equal(expected(1, 5), packets(web.count(5, 0.02):follow{ since = 0, numbered = true, retry_for = 0 }))
        spurious:stop "KILL"
      end)
    end

    it("is believed when it repeats it", function()
      local forgets = harness.stock{ forgets = true }
      local job = harp.caller(forgets.address).localhost.sleep(100)
      forgets:stop "KILL"
      forgets:restart()
      assert.equal("missing_result", job:result{ wait = true }.type)
      assert.equal("missing_result", raised(job.get, job).type)
      assert.equal(0, #job:follow{ since = 0 }:all())
      forgets:stop "KILL"
    end)
  end)

  describe("that skips packets", function()
    for _, which in ipairs{ "any", "last" } do
      it("is made up for, in order: " .. which, function()
        local skips = harness.stock{ skip = which == "any" or which }
        local web = harp.caller(skips.address).localhost
        for _ = 1, 3 do
          local job = web.count(12, 0.01)
          harp.sleep(0.03)
          assert.equal(expected(1, 12), packets(job:follow{ since = 0, numbered = true }))
          job = web.count(12, 0.01)
          harp.sleep(0.05)
          local seen = packets(job:follow{ recent = 2, numbered = true })
          assert.equal(expected(math.tointeger(seen:match "%d+") + 1, 12), seen)
        end
        skips:stop "KILL"
      end)
    end
  end)
end)

describe("a stock daemon", function()
  teardown(harness.clean_up)

  it("is called with `tls = \"legacy\"`, and only so", function()
    local daemon = harness.stock_daemon()
    local function server(tls)
      return harp.server{ host = "127.0.0.1:" .. daemon.port, user = "tester", password = "secret", pin = daemon.pin,
        tls = tls }
    end
    assert.equal(5, server "legacy".sum(2, 3))
    local seen = {}
    for msg in server "legacy".count(3) do seen[#seen + 1] = harp.is_result(msg) and msg.value.msg or msg.i end
    assert.same({ 1, 2, 3, "end" }, seen)
    assert.equal("RemoteException", raised(server "legacy".fail).kind)
    local failure = raised(server().sum, 2, 3)
    assert.same({ "CommunicationError", "tls" }, { failure.kind, failure.type })
    assert.truthy(failure.message:find("legacy", 1, true), failure.message)
  end)
end)
