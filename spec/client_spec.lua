-- The module's objects against real servers: callers, hosts, jobs, servers.

local harness = require "spec.support.harness"
local harp = require "harp"
local socket = require "socket"

local raised = harness.raised

describe("the client", function()
  local daemon, dispatcher, rpc, host

  setup(function()
    daemon = harness.daemon()
    dispatcher = harness.dispatcher{ daemon = daemon }
    rpc = harp.caller(dispatcher.address)
    host = rpc.localhost
  end)

  teardown(harness.clean_up)

  describe("a caller", function()
    it("makes the same host in each of its ways", function()
      for _, h in ipairs{ rpc.web01, rpc "web01", rpc:host "web01", rpc:host("web01", { timeout = 5 }) } do
        assert.equal("host web01 at " .. dispatcher.address, tostring(h))
        assert.equal("web01", h.sum(1, 2):host())
      end
    end)

    it("can be told its address as a table, and shows it", function()
      local other = harp.caller{ host = "127.0.0.1", port = dispatcher.port }
      assert.equal("caller at 127.0.0.1:" .. dispatcher.port, tostring(other))
      assert.equal(3, other.localhost.sum(1, 2):get())
      assert.equal("caller at [::1]:3502", tostring(harp.caller "::1"))
      assert.equal("caller at [::1]:99", tostring(harp.caller "[::1]:99"))
    end)

    it("sends a raw request", function()
      local reply = rpc:request{ host = "localhost", procedure = "sum", arguments = harp.array{ 1, 2 } }
      assert.equal(1, reply.harpcaller)
      assert.same({ result = 3 }, rpc:request{ get_result = reply.job_id, wait = true })
      assert.same({ { result = 3 } }, rpc:request{ follow_stream = reply.job_id })
      assert.equal("invalid_request", rpc:request{ nonsense = true }.error.type)
    end)

    it("works over a unix socket", function()
      local other = harness.dispatcher{ daemon = daemon, listen = "unix:" .. harness.directory() .. "/socket" }
      assert.equal(3, harp.caller(other.address).localhost.sum(1, 2):get())
      other:stop()
    end)

    it("refuses addresses and options that cannot be meant", function()
      for _, address in ipairs{ "", "host:x", "host:99999", "unix:relative", "[::1", "a b", "x@y" } do
        assert.equal("bad_address", raised(harp.caller, address).type)
      end
      assert.truthy(raised(harp.caller, { hots = "x" }):find 'no option "hots"')
      assert.truthy(raised(harp.caller, 7):find "not a number")
    end)
  end)

  describe("a host", function()
    it("submits by dot, by colon and by name", function()
      assert.equal(3, host.sum(1, 2):get())
      assert.equal(3, host:sum(1, 2):get())
      assert.equal(3, host:procedure "sum"(1, 2):get())
      assert.equal(3, host.sum(harp.named{ b = 1, a = 2 }):get())
      assert.truthy(raised(host.sum, 1, harp.named{ b = 1 }):find "cannot be mixed")
    end)

    it("keeps arguments as they are", function()
      local values = { 1, 1.0, 9007199254740993, math.maxinteger, "\0😀", false, harp.null, harp.array{}, {},
        harp.array{ harp.null }, -0.0, 1e-7 }
      local result = host.all(table.unpack(values)):get()
      assert.equal(harp.encode(harp.array(values)), harp.encode(result))
      assert.equal("[null,1,null]", harp.encode(host.all(nil, 1, nil):get()))
      assert.equal("[]", harp.encode(host.all():args()))
    end)

    it("gives its options to its jobs, and leaves its origin as it was", function()
      local queued = host{ queue = { q = 1 }, concurrency = 2, timeout = 5, max_exec_time = 15, info = { a = 1 } }
      assert.same({ a = 1 }, queued.sum(1, 2):info())
      assert.same({ a = 2 }, queued{ info = { a = 2 } }.sum(1, 2):info())
      assert.is_nil(host.sum(1, 2):info())
    end)

    it("refuses options that cannot be meant", function()
      assert.truthy(raised(host, { tmeout = 5 }):find 'no option "tmeout"')
      assert.truthy(raised(host, { concurrency = 5 }):find "needs a queue")
      assert.truthy(raised(host, { queue = "q" }):find "must be a table")
      assert.truthy(raised(host, "sum"):find "table of options")
      assert.truthy(tostring(raised(host{ timeout = -1 }.sum, 1)):find "timeout must be a number of seconds above 0")
      assert.truthy(raised(function() host.timeout = 5 end):find "no field")
    end)

    it("says so when a call is too long, and leaves the others alone", function()
      harp.run(function()
        local waiting = harp.spawn(function() return host.sleep(0.3):get() end)
        harp.sleep(0.1)
        local failure = raised(host.sum, ("x"):rep(1100000))
        assert.same({ "RemoteError", "invalid_request" }, { failure.kind, failure.type })
        assert.truthy(failure.message:find "longer than 1 MiB")
        assert.equal("slept", waiting:join())
        assert.equal(1048000, #host.text(1048000):get())
      end)
    end)

    it("says what in an argument cannot be sent", function()
      local failure = raised(host.sum, { x = { print } })
      assert.is_true(harp.is_error(failure, "UsageError"))
      assert.truthy(failure.message:find("arguments[1].x[1] cannot be JSON: a function", 1, true))
    end)
  end)

  describe("a job", function()
    it("knows its call and its times", function()
      local job = host{ info = "note" }.sum(1, 2)
      job:get()
      assert.same({ "sum", "localhost", "note" }, { job:procedure(), job:host(), job:info() })
      assert.same({ 1, 2 }, job:args())
      assert.is_true(job:submit_time() <= job:start_time() and job:start_time() <= job:end_time())
      assert.equal("ended", job:status().state)
      assert.equal("job " .. job:id(), tostring(job))
      assert.equal(job, rpc:job(job:id()))
    end)

    it("returns every kind of outcome from result, and raises from get", function()
      local value, exception, failed = host.sum(1, 2), host.fail(), host.no_such()
      assert.equal(3, value:result{ wait = true })
      local e = exception:result{ wait = true }
      assert.is_true(harp.is_error(e) and harp.is_error(e, "RemoteException") and harp.is_error(e, "HarpException"))
      assert.is_false(harp.is_error(e, "RemoteError"))
      assert.same({ "paper", "out of paper", 2, exception:id() }, { e.type, e.message, e.data.tray, e.job })
      assert.equal("RemoteException (paper): out of paper [job " .. exception:id() .. "]", tostring(e))
      assert.equal("RemoteError", failed:result{ wait = true }.kind)
      assert.equal("paper", raised(exception.get, exception).type)
      assert.equal("no_such_procedure", raised(failed.get, failed).type)
      local running = host.sleep(100)
      assert.equal(harp.CALL_NOT_FINISHED, running:result())
      assert.is_true(running:cancel())
      assert.equal(harp.CALL_CANCELLED, running:result{ wait = true })
      assert.equal("CancelledException", raised(running.get, running).kind)
      assert.is_false(running:cancel())
    end)

    it("ends with the outcome, whatever it is, which is waited for where it has not come", function()
      for _, case in ipairs{
        { host.count(3), { msg = "end" } }, { host.sum(3, 4), 7 }, { host.boom "x", "RemoteException" },
        { host.nothing(), "RemoteError" },
      } do
        local packets <close> = case[1]:follow{ since = 0 }
        assert.equal(case[1]:procedure() == "count" and 3 or 0, #packets:all())
        local result = packets:result()
        assert.same(case[2], harp.is_error(result) and result.kind or result)
      end
      local early <close> = host.count(3, 0.01):follow()
      assert.same({ msg = "end" }, early:result())
      local endless = host.sleep(100)
      local packets <close> = endless:follow()
      endless:cancel()
      assert.same({}, packets:all())
      assert.equal(harp.CALL_CANCELLED, packets:result())
    end)

    it("is followed as it runs, and replayed later", function()
      local job = host.count(5, 0.02)
      local seen = {}
      for msg in job:follow{ since = 0 } do seen[#seen + 1] = msg.i end
      assert.same({ 1, 2, 3, 4, 5 }, seen)
      assert.same({ msg = "end" }, job:result())
      local numbers = {}
      for number, msg in job:stream{ since = 3, numbered = true } do numbers[#numbers + 1] = { number, msg.i } end
      assert.same({ { 3, 4 }, { 4, 5 } }, numbers)
      assert.equal(2, #job:follow{ recent = 2 }:all())
      assert.equal(0, #job:follow():all())
      assert.equal(5, #job:stream():all())
      job = host.each(true, false, harp.null, 0)
      job:get()
      for _, numbered in ipairs{ false, true } do
        assert.same({ true, false, harp.null, 0 }, job:stream{ numbered = numbered }:all())
      end
    end)

    it("lets go of its connection when a loop is left", function()
      local job = host.count(1000, 0.01)
      for _ = 1, 30 do
        local packets <close> = job:follow{ since = 0 }
        packets()
      end
      harness.eventually(function() return dispatcher:descriptors() < 25 end)
      job:cancel()
    end)

    it("that nobody knows is an error wherever it is asked for", function()
      local job = rpc:job "00000000-0000-0000-0000-000000000000"
      for _, method in ipairs{ "get", "result", "status", "procedure" } do
        local failure = raised(job[method], job)
        assert.same({ "RemoteError", "invalid_jobid" }, { failure.kind, failure.type })
      end
      for _, method in ipairs{ "follow", "stream" } do
        assert.equal("invalid_jobid", raised(function() return job[method](job):all() end).type)
      end
      assert.is_false(job:cancel())
    end)
  end)

  describe("the extensions", function()
    it("give the time of each packet", function()
      local job = host.count(3)
      job:get()
      local seen = {}
      for number, packet, time in job:follow{ since = 0, numbered = true, timestamps = true } do
        assert.is_true(math.type(time) == "float" and math.abs(time - os.time()) < 60)
        seen[#seen + 1] = number + packet.i
      end
      assert.same({ 1, 3, 5 }, seen)
      for packet, time in job:stream{ timestamps = true } do assert.truthy(packet.i and time) end
      assert.same({ { i = 1 }, { i = 2 }, { i = 3 } }, job:stream{ timestamps = true }:all())
    end)

    it("find the job of a call with the same key", function()
      local once = host{ dedup = { key = { a = 1, b = { 2 } }, window = 60 } }
      local first, second = once.sum(1, 2), once.sum(1, 2)
      assert.same({ false, true, first:id() }, { first:is_duplicate(), second:is_duplicate(), second:id() })
      assert.is_false(host{ dedup = { key = { a = 1, b = { 3 } } } }.sum(1, 2):is_duplicate())
      assert.truthy(raised(host, { dedup = "x" }):find "dedup must be a table with a key")
      assert.truthy(raised(host, { dedup = { key = 1, windw = 2 } }):find 'dedup has no option "windw"')
    end)

    it("list jobs, queues and hosts", function()
      local queue = { test = "lists" }
      local queued = host{ queue = queue, info = { ticket = "T-4711" } }
      local running, waiting = queued.sleep(100), queued.sleep(100)
      local ids = {}
      for job in rpc:jobs{ queue = queue } do
        ids[#ids + 1] = job.id
        assert.same({ "localhost", "sleep", { 100 }, queue }, { job.host, job.procedure, job.arguments, job.queue })
        assert.is_nil(job.time["end"])
      end
      assert.same({ waiting:id(), running:id() }, ids)
      assert.equal(waiting:id(), rpc:jobs{ queue = queue, state = "queued" }().id)
      assert.equal(2, #rpc:jobs{ info = "T-4711" }:all())
      assert.equal(1, #rpc:jobs{ info = "T-4711", limit = 1 }:all())
      assert.equal(0, #rpc:jobs{ host = "web02", info = "T-4711" }:all())
      local found
      for q in rpc:queues() do found = harp.encode(q.name) == harp.encode(queue) and q or found end
      assert.same({ 1, 1, 1 }, { found.concurrency, found.running, found.waiting })
      local names = {}
      for h in rpc:hosts() do names[#names + 1] = h.name end
      assert.same({ "localhost", "nowhere", "refused", "web01", "web02" }, names)
      assert.truthy(raised(rpc.jobs, rpc, { hots = 1 }):find 'no option "hots"')
      waiting:cancel()
      running:cancel()
    end)
  end)

  describe("tasks", function()
    it("that are cancelled close what they had open", function()
      harp.run(function()
        local own = harp.caller(dispatcher.address)
        own.localhost.sum(1, 2):get()
        local before = dispatcher:descriptors()
        local job = own.localhost.count(100000, 0.01)
        local tasks, following = {}, 0
        for i = 1, 20 do
          tasks[i] = harp.spawn(function()
            for number in job:follow{ since = 0, numbered = true } do
              if number == 0 then following = following + 1 end
              harp.sleep(0.001)
            end
          end)
        end
        harness.eventually(function() harp.sleep(0.01) return following == 20 end)
        for _, task in ipairs(tasks) do task:cancel() end
        for _, task in ipairs(tasks) do
          assert.is_true(harp.is_error(select(2, pcall(task.join, task)), "CancelledException"))
        end
        job:cancel()
        harness.eventually(function() harp.sleep(0.01) return dispatcher:descriptors() <= before end)
      end)
    end)

    it("wait for their jobs at the same time", function()
      harp.run(function()
        local begun = 0
        local results = harp.map({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, function(i)
          begun = begun + 1
          host.sleep(0.2):get()
          assert.equal(10, begun)
          return host.sum(i, i):get()
        end)
        assert.same({ 2, 4, 6, 8, 10, 12, 14, 16, 18, 20 }, results)
      end)
    end)

    it("can wait for calls inside generators and comparators", function()
      harp.run(function()
        local double = coroutine.wrap(function()
          for i = 1, 3 do coroutine.yield(host.sum(i, i):get()) end
        end)
        assert.same({ 2, 4, 6 }, { double(), double(), double() })
        local list = { 3, 1, 2 }
        table.sort(list, function(a, b) return host.sum(a, -b):get() < 0 end)
        assert.same({ 1, 2, 3 }, list)
      end)
    end)
  end)

  describe("a dispatcher that is not there", function()
    it("is a CommunicationError that says what, and with which job", function()
      local gone = harp.caller "127.0.0.1:1"
      local failure = raised(gone.web01.sum, 1, 2)
      assert.same({ "CommunicationError", "econnrefused" }, { failure.kind, failure.type })
      assert.truthy(failure.message:find("127.0.0.1:1", 1, true))
      local job = gone:job "some-id"
      assert.equal("some-id", raised(job.result, job, { retry_for = 0 }).job)
      for _, method in ipairs{ "get", "status", "cancel" } do
        assert.equal("some-id", raised(job[method], job, { retry_for = 0 }).job)
      end
      for _, method in ipairs{ "follow", "stream" } do
        assert.equal("some-id", raised(function() job[method](job, { retry_for = 0 })() end).job)
      end
    end)
  end)

  describe("a server", function()
    local function server(options)
      local all = { host = "127.0.0.1:" .. daemon.port, user = "tester", password = "secret", pin = daemon.pin }
      for name, v in pairs(options or {}) do all[name] = v or nil end
      return harp.server(all)
    end

    it("gives the value of a call, or a stream that ends with a Result", function()
      assert.equal(5, server().sum(2, 3))
      assert.equal(5, server():sum(2, 3))
      assert.equal(5, server():procedure "sum"(harp.named{ a = 2, b = 3 }))
      local seen = {}
      for msg in server().count(3) do
        seen[#seen + 1] = harp.is_result(msg) and msg.value.msg or msg.i
      end
      assert.same({ 1, 2, 3, "end" }, seen)
      assert.equal(4, #server().count(3):all())
    end)

    it("raises what the procedure raised, and what the daemon refused", function()
      assert.same({ "RemoteException", "paper" }, { raised(server().fail).kind, raised(server().fail).type })
      assert.equal("no_such_procedure", raised(server().no_such).type)
      assert.equal("invalid_argument_list", raised(server().sum, 1, 2, 3).type)
      assert.equal("auth_error", raised(server{ password = "wrong" }.sum, 1, 2).type)
    end)

    it("is verified: by pin, by authority and name, or not at all", function()
      assert.equal(5, server{ pin = false, ca_file = daemon.certificate }.sum(2, 3))
      local wrong = raised(server{ pin = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" }.sum, 2, 3)
      assert.same({ "CommunicationError", "certificate" }, { wrong.kind, wrong.type })
      local unknown = raised(server{ pin = false, verify = "system" }.sum, 2, 3)
      assert.equal("certificate", unknown.type)
      local unverified = harp.server{ host = "127.0.0.1:" .. daemon.port, user = "tester", password = "secret",
        verify = false }
      assert.equal(5, unverified.sum(2, 3))
      assert.truthy(tostring(unverified):find "not verified")
    end)

    it("stops its procedure when the task that calls is cancelled", function()
      harp.run(function()
        collectgarbage "stop"
        local calls = { harp.spawn(server().sleep, 100), harp.spawn(function()
          for _ in server().count(100000, 0.05) do harp.sleep(0.001) end
        end) }
        harness.eventually(function() harp.sleep(0.01) return daemon:children() == 2 end)
        for _, task in ipairs(calls) do task:cancel() end
        for _, task in ipairs(calls) do pcall(task.join, task) end
        harness.eventually(function() harp.sleep(0.01) return daemon:children() == 0 end)
        collectgarbage "restart"
      end)
    end)

    it("that says nothing for too long is a timeout", function()
      local failure = raised(server{ idle_timeout = 0.2 }.sleep, 100)
      assert.same({ "CommunicationError", "timeout" }, { failure.kind, failure.type })
      local silent = harness.proxy(daemon)
      silent:stall{ after = 0, from = "server" }
      local mute = server{ host = silent.address, connect_timeout = 0.3 }
      assert.equal("etimedout", raised(mute.sum, 2, 3).type)
    end)

    -- The limit is over while Lua is busy: its timer has its turn before the loop
    -- waits, and what it brings about is not to wait with the loop.
    it("is a timeout no later when other tasks were busy", function()
      local function be_busy(seconds)
        local over = socket.gettime() + seconds
        while socket.gettime() < over do end
      end
      for turns = 1, 3 do
        local stream = server{ idle_timeout = 0.2 }.count(2, 100)
        stream()
        local sleeper = harp.spawn(function()
          for i = 1, turns do
            if i > 1 then harp.sleep(0) end
            be_busy(0.25)
          end
          harp.sleep(harness.PATIENCE + 10)
        end)
        assert.is_true(harness.seconds(function() assert.equal("timeout", raised(stream).type) end) < harness.PATIENCE)
        sleeper:cancel()
      end
    end)

    it("never shows its password", function()
      assert.equal(("server 127.0.0.1:%d (TLS, pinned) as tester"):format(daemon.port), tostring(server()))
      for _, v in pairs(server()) do error("a field shows: " .. tostring(v)) end
      assert.is_nil(tostring(raised(server{ password = "hunter2" }.sum, 1)):find "hunter2")
    end)

    it("takes its password from a file, and misses none silently", function()
      local file = harness.write(harness.directory() .. "/password", "secret\n")
      assert.equal(5, server{ password = false, password_file = file }.sum(2, 3))
      assert.truthy(raised(harp.server, { host = "x" }):find "no user or password")
      assert.truthy(raised(harp.server, { user = "x", password_file = "/no/such" }):find "/no/such")
      assert.truthy(raised(harp.server, { usr = "x" }):find 'no option "usr"')
    end)
  end)
end)
