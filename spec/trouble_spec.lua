-- What a recipe sees when connections, dispatchers and peers fail it: nothing
-- where that can be made good, else an error that says what is known.

local harness = require "spec.support.harness"
local harp = require "harp"

local raised, seconds = harness.raised, harness.seconds

describe("trouble:", function()
  local daemon, dispatcher, proxy, rpc, host

  setup(function()
    daemon = harness.daemon()
    dispatcher = harness.dispatcher{ daemon = daemon }
    proxy = harness.proxy(dispatcher)
  end)

  teardown(harness.clean_up)

  before_each(function()
    proxy:pass()
    proxy:listen()
    rpc = harp.caller{ host = proxy.address, retry_for = harness.PATIENCE }
    host = rpc.localhost
  end)

  local function numbers(iterator)
    local seen = {}
    for number, packet in iterator do
      assert.equal(number + 1, packet.i)
      seen[#seen + 1] = number
    end
    return seen
  end

  -- Where limits are shorter than what a slow machine may take: one good try
  -- counts.
  local function in_time(fn)
    harness.eventually(function()
      local ok, failure = pcall(fn)
      if not ok and not harp.is_error(failure, "CommunicationError") then error(failure, 0) end
      return ok
    end)
  end

  local function upto(n)
    local list = {}
    for i = 0, n - 1 do list[#list + 1] = i end
    return list
  end

  describe("a followed stream", function()
    it("cut at every byte yields every packet once, in order", function()
      local job = host.count(6)
      job:get()
      proxy:pass()
      local before = proxy:count().from_server
      assert.same(upto(6), numbers(job:follow{ since = 0, numbered = true }))
      local size = proxy:count().from_server - before
      assert.is_true(size > 150)
      for at = 0, size do
        proxy:cut{ after = at, by = at % 2 == 0 and "fin" or "rst" }
        assert.same(upto(6), numbers(job:follow{ since = 0, numbered = true }), "cut at " .. at)
        proxy:cut{ after = at }
        assert.same(upto(6), numbers(job:stream{ numbered = true }), "read, cut at " .. at)
      end
    end)

    it("cut again and again while the job runs goes on where it was", function()
      local job = host.count(40, 0.01)
      local seen = {}
      for number in job:follow{ since = 0, numbered = true } do
        seen[#seen + 1] = number
        if #seen % 5 == 0 then proxy:cut_all() end
      end
      assert.same(upto(40), seen)
    end)

    it("with `recent` is exact as well", function()
      local job = host.count(6)
      job:get()
      for at = 0, 120 do
        proxy:cut{ after = at }
        assert.same({ 3, 4, 5 }, numbers(job:follow{ recent = 3, numbered = true }), "cut at " .. at)
      end
    end)

    it("through a proxy that drops idle connections goes on, however long it is silent", function()
      proxy:idle{ seconds = 0.3 }
      in_time(function()
        local patient = harp.caller{ host = proxy.address, retry_for = 1.5 }
        local job = patient.localhost.late(4)
        assert.same({ 1 }, job:follow{ since = 0 }:all())
        assert.equal(2, job:get())
      end)
    end)

    it("in single bytes, and delayed, is the same", function()
      local job = host.count(20)
      proxy:split{ size = 1 }
      assert.same(upto(20), numbers(job:follow{ since = 0, numbered = true }))
      proxy:pass()
      proxy:delay{ seconds = 0.02 }
      assert.same(upto(20), numbers(job:follow{ since = 0, numbered = true }))
    end)

    it("survives a dispatcher that is restarted, on another port even", function()
      local mortal = harness.dispatcher{ daemon = daemon }
      local way = harness.proxy(mortal)
      local caller = harp.caller{ host = way.address, retry_for = harness.PATIENCE }
      local queue = { queue = { test = "restart" } }
      local running, queued = caller.localhost(queue).count(100000, 0.01), caller.localhost(queue).count(5)
      local seen = {}
      for number in running:follow{ since = 0, numbered = true } do
        assert.equal(#seen, number)
        seen[#seen + 1] = number
        if number == 5 then
          mortal:stop "KILL"
          mortal:restart()
          way:aim(mortal)
        end
      end
      assert.equal("missing_result", running:result().type)
      assert.equal(#seen, #running:stream():all())
      assert.same(upto(5), numbers(queued:follow{ since = 0, numbered = true }))
      mortal:stop()
    end)

    it("whose dispatcher stays away ends with a CommunicationError, with the job's id, after retry_for", function()
      local job = host.count(10000, 0.01)
      local failure
      local took = seconds(function()
        failure = raised(function()
          for number in job:follow{ since = 0, numbered = true, retry_for = 0.5 } do
            if number == 3 then
              proxy:refuse()
              proxy:cut_all()
            end
          end
        end)
      end)
      assert.same({ "CommunicationError", job:id() }, { failure.kind, failure.job })
      assert.is_true(tonumber(failure.message:match "gave up after ([%d.]+) s") >= 0.5, failure.message)
      assert.is_true(took > 0.45 and took < harness.PATIENCE)
      proxy:listen()
      job:cancel()
    end)

    it("with retry_for = 0 fails at once", function()
      local job = host.count(100000, 0.01)
      local packets = job:follow{ since = 0, retry_for = 0 }
      packets()
      proxy:cut_all()
      assert.equal("closed", raised(packets.all, packets).type)
      job:cancel()
    end)

    it("that is read slowly is not taken for silent", function()
      local job = host.count(10)
      job:get()
      local short = harp.caller{ host = proxy.address, idle_timeout = 0.5, reply_timeout = 0.5, retry_for = 0 }
      in_time(function()
        local seen = {}
        for number in short:job(job:id()):follow{ since = 0, numbered = true } do
          seen[#seen + 1] = number
          if number == 3 then harp.sleep(1.2) end
        end
        assert.same(upto(10), seen)
      end)
      local server = harp.server{ host = "127.0.0.1:" .. daemon.port, user = "tester", password = "secret",
        pin = daemon.pin, idle_timeout = 0.5 }
      in_time(function()
        local count = 0
        for _ in server.count(10) do
          count = count + 1
          if count == 1 then harp.sleep(1.2) end
        end
        assert.equal(11, count)
      end)
    end)

    it("that is silent for longer than idle_timeout goes on, without retry_for too", function()
      local short = harp.caller{ host = proxy.address, idle_timeout = 0.1, retry_for = 0 }
      local job = host.late(0.7)
      assert.same({ 1 }, short:job(job:id()):follow{ since = 0 }:all())
      job = host.late(100)
      local packets = short:job(job:id()):follow{ since = 0 }
      local hush = harp.spawn(function() harp.sleep(0.3) proxy:refuse() proxy:cut_all() end)
      assert.equal("CommunicationError", raised(packets).kind)
      hush:join()
      proxy:listen()
      job:cancel()
    end)

    it("that is corrupted is never handed on wrong", function()
      local job = host.count(6)
      job:get()
      for at = 0, 60 do
        proxy:corrupt{ at = at, byte = 0 }
        local seen = {}
        local ok, failure = pcall(function()
          for number, packet in job:follow{ since = 0, numbered = true } do seen[#seen + 1] = { number, packet.i } end
        end)
        for i, pair in ipairs(seen) do assert.same({ i - 1, i }, pair) end
        if not ok then assert.equal("CommunicationError", failure.kind) else assert.equal(6, #seen) end
      end
    end)
  end)

  describe("what waits or asks", function()
    it("is asked again where its reply was cut off", function()
      local job = host.sum(1, 2)
      job:get()
      for _, method in ipairs{ "get", "result", "procedure", "status" } do
        for after = 0, 60, 7 do
          proxy:cut_all()
          proxy:cut{ after = after, times = after == 0 and 2 or 1 }
          assert.truthy(job[method](job))
        end
      end
    end)

    it("waits on when the connection is lost in a wait", function()
      local job = host.sleep(0.5)
      local cutter = harp.spawn(function() harp.sleep(0.2) proxy:cut_all() end)
      assert.equal("slept", job:get())
      cutter:join()
    end)

    it("gives up on waits that are lost again and again", function()
      local patient = harp.caller{ host = proxy.address, retry_for = 0.5 }
      local job = patient.localhost.sleep(100)
      local cutter = harp.spawn(function()
        while true do harp.sleep(0.05) proxy:cut_all() end
      end)
      local failure
      assert.is_true(seconds(function() failure = raised(job.get, job) end) < harness.PATIENCE)
      cutter:cancel()
      assert.same({ "CommunicationError", job:id() }, { failure.kind, failure.job })
      rpc:job(job:id()):cancel()
    end)

    it("refuses a retry_for that is none", function()
      local job = rpc:job "x"
      for _, wrong in ipairs{ -1, "5", 0 / 0 } do
        local options = { retry_for = wrong }
        for _, fn in ipairs{
          function() job:get(options) end, function() job:status(options) end, function() job:follow(options) end,
          function() local _ = host(options) end, function() harp.caller(options) end,
        } do
          assert.truthy(raised(fn):find "^spec/trouble_spec.lua:%d+: retry_for must be a number of seconds, or 0$")
        end
      end
    end)

    it("that a silent dispatcher does not answer is an error after reply_timeout and retry_for", function()
      local short = harp.caller{ host = proxy.address, reply_timeout = 0.2, retry_for = 0.3 }
      local job = host.sum(1, 2)
      proxy:stall{ times = 100 }
      local failure
      local took = seconds(function() failure = raised(function() short:job(job:id()):status() end) end)
      assert.same({ "CommunicationError", "timeout", job:id() }, { failure.kind, failure.type, failure.job })
      assert.is_true(took > 0.2 and took < harness.PATIENCE)
    end)

    it("and is given up before that, again and again, does not keep a dead connection", function()
      local short = harp.caller{ host = proxy.address, reply_timeout = 3 }
      local job = short:job(host.sum(1, 2):id())
      assert.equal(3, job:get())
      proxy:stall{ now = true, times = 1 }
      harness.eventually(function() return (pcall(harp.timeout, 1, job.status, job)) end)
    end)

    it("and waits on a dispatcher that fell silent finds that out after idle_timeout", function()
      local short = harp.caller{
        host = proxy.address, reply_timeout = 0.2, idle_timeout = 0.2, retry_for = harness.PATIENCE,
      }
      local job = short:job(host.sleep(1):id())
      assert.equal("slept", job:get())                  -- silent, but there
      job = short:job(host.sleep(0.5):id())
      local hush = harp.spawn(function() harp.sleep(0.1) proxy:stall{ now = true, times = 1 } end)
      assert.equal("slept", job:get())
      hush:join()
    end)

    it("is told at once of an address that cannot be right, and waits for one that was", function()
      local gone = harp.caller{ host = "127.0.0.1:1", retry_for = 100 }
      assert.is_true(seconds(function()
        assert.equal("econnrefused", raised(gone.web01.sum, 1).type)
      end) < harness.PATIENCE)
      assert.equal("nxdomain", raised(function() harp.caller "nowhere.invalid":job "x":status() end).type)
      assert.equal(3, host.sum(1, 2):get())
      proxy:refuse{ seconds = 0.3 }
      proxy:cut_all()
      assert.equal(3, host.sum(1, 2):get())
    end)
  end)

  describe("a submit", function()
    local function runs(file)
      local text = io.open(file) and harness.read(file) or ""
      return select(2, text:gsub("\n", ""))
    end

    it("is never sent twice: its fate is unknown when the reply is lost", function()
      local file = harness.directory() .. "/marks"
      proxy:swallow{ lines = 1, times = 1 }     -- the reply to the hello passes
      local failure = raised(host.mark, file, "once")
      assert.same({ "CommunicationError", "unknown_outcome" }, { failure.kind, failure.type })
      assert.truthy(failure.message:find "not known whether the call was accepted")
      harness.eventually(function() return runs(file) == 1 end)
      harp.sleep(0.2)
      assert.equal(1, runs(file))
    end)

    it("that cannot have arrived is sent again, where the dispatcher was reached before", function()
      assert.equal(3, host.sum(1, 2):get())
      for _ = 1, 3 do
        proxy:cut_all()
        proxy:cut{ after = 0 }                  -- before the greeting
        assert.equal(3, host.sum(1, 2):get())
      end
    end)

    it("with a dedup key is safe to send again", function()
      local file = harness.directory() .. "/marks"
      for i = 1, 3 do
        proxy:cut_all()
        proxy:swallow{ lines = 1, times = 1 }
        local job = host{ dedup = { key = { "mark", file, i } } }.mark(file, "once")
        assert.is_true(job:is_duplicate())
        assert.equal("once", job:get())
        assert.equal(i, runs(file))
      end
    end)

    it("whose reply is lost is in doubt, whatever a dispatcher says that is there in its place", function()
      local file, stock = harness.directory() .. "/marks", harness.stock()
      assert.equal(3, host.sum(1, 2):get())
      proxy:swallow{ now = true }
      proxy:aim(stock)
      local failure = raised(host{ dedup = { key = { "mark", file } } }.mark, file, "once")
      assert.same({ "CommunicationError", "unknown_outcome" }, { failure.kind, failure.type })
      harness.eventually(function() return runs(file) == 1 end)
      assert.is_nil(harness.read(stock.directory .. "/journal"):find "submitted")
      proxy:aim(dispatcher)
      proxy:cut_all()
      stock:stop "KILL"
    end)
  end)

  it("one connection is shared by all but streams", function()
    harp.run(function()
      local before = proxy:count().made
      local own = harp.caller{ host = proxy.address }
      local gate, asked = harness.write(harness.directory() .. "/gate", ""), 0
      harp.map({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, function()
        local job = own.localhost.shell(harness.until_in(gate, "open"))
        assert(job:result() == harp.CALL_NOT_FINISHED and job:status())
        asked = asked + 1
        if asked == 10 then harness.write(gate, "open") end
        assert.equal(harp.null, job:get())
      end)
      assert.equal(10, asked)
      assert.equal(1, proxy:count().made - before)
      assert.equal(2, #own.localhost.count(2):follow{ since = 0 }:all())
      assert.equal(2, proxy:count().made - before)
    end)
  end)

  it("a script ends although its shared connection is open", function()
    local output, errors, code = harness.harp("-", ([[
      local rpc = require "harp".caller(%q)
      print(rpc.localhost.sum(1, 2):get())]]):format(proxy.address))
    assert.same({ "3\n", "", 0 }, { output, errors, code })
  end)
end)
