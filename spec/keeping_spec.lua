-- What the dispatcher keeps: to the end of the process, for how long, how much
-- of it, and on a disk that fails.

local harness = require "spec.support.harness"
local harp = require "harp"
local socket = require "socket"
local unix = require "socket.unix"

local ask, eventually = harness.ask, harness.eventually

local PROCEDURES = [[
procedure("sum", function(a, b) return a + b end)
procedure("text", function(size) return ("x"):rep(size) end)
procedure("sleep", function(seconds) require "harp".sleep(seconds) return "slept" end)
procedure("mark", function(file) local f <close> = assert(io.open(file, "a")) f:write "ran\n" end)
stream("count", function(n, seconds)
  for i = 1, n do
    coroutine.yield{ i = i }
    if seconds then require "harp".sleep(seconds) end
  end
  return { msg = "end" }
end)
stream("gated", function(gate)
  coroutine.yield(1)
  while not io.open(gate) do require "harp".sleep(0.02) end
  coroutine.yield(2)
  return "open"
end)
stream("texts", function(n, size)
  for i = 1, n do coroutine.yield(("x"):rep(size)) end
end)
]]

describe("the dispatcher", function()
  local daemon, dispatcher

  setup(function() daemon = harness.daemon{ procedures = PROCEDURES } end)
  teardown(harness.clean_up)

  local function start(settings, before)
    dispatcher = harness.dispatcher{ daemon = daemon, settings = settings, before = before }
    return dispatcher
  end

  after_each(function() if dispatcher then dispatcher:stop "KILL" end end)

  local function request(fields)
    fields.harpcaller = 1
    local lines = ask(dispatcher, harp.encode(fields) .. "\n")
    for i, line in ipairs(lines) do lines[i] = harp.decode(line) end
    return lines[1], lines
  end

  local function submit(procedure, arguments, options)
    local fields = { host = "localhost", procedure = procedure, arguments = harp.array(arguments or {}) }
    for name, v in pairs(options or {}) do fields[name] = v end
    local reply = request(fields)
    assert(reply.job_id, harp.encode(reply))
    return reply.job_id
  end

  local function outcome(id) return request{ get_result = id, wait = true } end
  local function status(id) return request{ get_status = id } end

  local function submit_running(...)
    local id = submit(...)
    eventually(function() return status(id).time.start ~= harp.null end)
    return id
  end

  -- A connection on which a request is being answered.
  local function begin(fields)
    fields.harpcaller = 1
    local connection = harness.connect(dispatcher)
    assert(connection:send(harp.encode(fields) .. "\n"))
    return connection
  end

  local function last(connection)
    local lines = harness.lines(connection)
    connection:close()
    return #lines > 0 and harp.decode(lines[#lines]) or nil, lines
  end

  describe("told to stop", function()
    local queue = { queue = { name = { test = "stop" } } }

    it("lets what runs end, serves those who wait, and takes no call", function()
      start "grace = 100"
      local gate = harness.directory() .. "/gate"
      local running, queued = submit_running("gated", { gate }, queue), submit("sum", { 1, 2 }, queue)
      local open = begin{ tag = 1, get_status = running }
      assert.truthy(open:receive "*l":find '"tag":1')
      local waiter, follower = begin{ get_result = running, wait = true }, begin{ follow_stream = running, since = 0 }
      assert.truthy(follower:receive "*l":find '"packet":0')    -- they are both heard
      dispatcher:tell_to_stop()
      os.execute("kill -HUP " .. dispatcher.pid)        -- there is nothing to reload any more
      eventually(function() return not socket.connect("127.0.0.1", dispatcher.port) end)
      assert(open:send '{"harpcaller":1,"tag":2,"host":"localhost","procedure":"sum","arguments":[1,2]}\n')
      assert.equal("shutdown", harp.decode(open:receive "*l").error.type)
      assert(open:send(('{"harpcaller":1,"tag":3,"get_status":"%s"}\n'):format(queued)))
      assert.equal("sum", harp.decode(open:receive "*l").call.procedure)
      harness.write(gate, "")
      local result, lines = last(follower)
      assert.same({ result = "open" }, result)
      assert.equal(2, #lines)
      assert.same(result, last(waiter))
      open:close()
      assert.equal(0, dispatcher:stop "0")
      dispatcher:restart()
      assert.same(result, outcome(running))
      assert.same({ result = 3 }, outcome(queued))
    end)

    it("ends well however often it is told, though it has threads since a login", function()
      start "grace = 100\nlisten = { { address = '127.0.0.1:0', users = { me = 'secret' } } }"
      local auth = { user = "me", password = "secret" }
      local call = { auth = auth, host = "localhost", procedure = "sleep", arguments = { 100 } }
      local id = assert(request(call).job_id)
      os.execute(("( while kill -INT %s; do :; done 2>/dev/null ) &"):format(dispatcher.pid))
      assert.equal(0, dispatcher:stop "0")
      dispatcher:restart()
      assert.equal("shutdown", request{ auth = auth, get_result = id, wait = true }.error.type)
    end)

    it("ends what outlasts the grace with `shutdown`, and tells everyone", function()
      start "grace = 0.2"
      local running, queued = submit_running("count", { 100000, 0.01 }, queue), submit("sum", { 1, 2 }, queue)
      local waiter, other = begin{ get_result = running, wait = true }, begin{ get_result = queued, wait = true }
      local follower = begin{ follow_stream = running, since = 0 }
      assert.truthy(follower:receive "*l":find '"packet":0')    -- they are all heard
      dispatcher:tell_to_stop()
      local shutdown, lines = last(follower)
      assert.equal("shutdown", shutdown.error.type)
      for i = 1, #lines - 1 do assert.equal(i, harp.decode(lines[i]).packet) end
      assert.same(shutdown, last(waiter))
      assert.is_nil(last(other))        -- its job has no outcome yet
      assert.equal(0, dispatcher:stop "0")
      dispatcher:restart()
      assert.same(shutdown, outcome(running))
      assert.equal(#lines + 1, #select(2, request{ read_stream = running }))
      assert.same({ result = 3 }, outcome(queued))
    end)

    it("a second time ends the grace", function()
      start "grace = 100"
      local running = submit_running("sleep", { 100 })
      dispatcher:tell_to_stop()
      assert.is_true(harness.seconds(dispatcher.stop, dispatcher) < harness.PATIENCE)
      dispatcher:restart()
      assert.equal("shutdown", outcome(running).error.type)
    end)

    it("by the end of its lifeline gives no grace", function()
      local lifeline = harness.sleeper()
      start("lifeline = true", lifeline .. " |")
      local follower = begin{ follow_stream = submit("count", { 10000, 0.01 }), since = 0 }
      assert.truthy(follower:receive "*l":find '"packet":0')
      eventually(function() return select(2, harness.shell(("pkill -xf '%s'"):format(lifeline))) == 0 end)
      assert.equal("shutdown", last(follower).error.type)
      assert.equal("", dispatcher.pipe:read "a")        -- it is gone
    end)

    it("does not wait for those who do not read", function()
      start "grace = 0"
      local id = submit("texts", { 10, 1000000 })
      outcome(id)
      local deaf = begin{ follow_stream = id, since = 0 }
      socket.sleep(0.1)
      assert.equal(0, dispatcher:stop())
      deaf:close()
    end)
  end)

  local function is_gone(id)
    local reply = status(id)
    return reply.error and reply.error.type == "invalid_jobid"
  end

  local function jobs()
    local _, lines = request{ list_jobs = {} }
    assert.same({ ["end"] = true }, table.remove(lines))
    return lines
  end

  describe("told to keep jobs for some time", function()
    it("removes those that ended longer ago, and nothing else", function()
      start "keep_for = 0.3"
      local queue = { queue = { name = { test = "old" } } }
      local running, queued = submit_running("sleep", { 100 }, queue), submit("sum", { 1, 2 }, queue)
      local old = submit("count", { 1000 })
      eventually(function() return is_gone(old) end)
      assert.equal("invalid_jobid", request{ read_stream = old }.error.type)
      assert.equal("invalid_jobid", outcome(old).error.type)
      assert.equal(2, #jobs())
      local cancelled = submit("sleep", { 100 }, queue)
      assert.same({ cancelled = true }, request{ cancel = cancelled })
      eventually(function() return is_gone(cancelled) end)
      local waiter = begin{ get_result = queued, wait = true }  -- it does not stay long, either
      request{ cancel = running }
      assert.same({ result = 3 }, last(waiter))
    end)

    -- A call that waits, so that somebody can ask for it before it ends; and what lets it run.
    local function submit_waiting(procedure, arguments)
      local queue = { queue = { name = { test = "waiting" } } }
      local first = submit("sleep", { 100 }, queue)
      return submit(procedure, arguments, queue), function() request{ cancel = first } end
    end

    it("spares what is being read", function()
      start "keep_for = 0.2"
      local id, go = submit_waiting("texts", { 100, 100000 })
      local reader = begin{ follow_stream = id, since = 0 }
      go()
      outcome(id)
      local other = submit("sum", { 1, 2 })
      eventually(function() return is_gone(other) end)
      socket.sleep(0.3)
      local result, lines = last(reader)
      assert.same({ result = harp.null }, result)
      assert.equal(101, #lines)
      for i = 1, 100 do assert.equal(i - 1, harp.decode(lines[i]).packet) end
      eventually(function() return is_gone(id) end)
    end)

    it("serves meanwhile, and goes on after a crash", function()
      start()
      local id, other = submit("count", { 10000 }), submit("sum", { 1, 2 })
      outcome(id)
      harness.write(dispatcher.directory .. "/dispatcher.lua",
        harness.read(dispatcher.directory .. "/dispatcher.lua") .. "\nkeep_for = 0.01")
      for _ = 1, 2 do
        dispatcher:stop "KILL"
        dispatcher:restart()
        eventually(function() return is_gone(id) and is_gone(other) end)
        -- Its packets are going still: a new job does not get them.
        local new, go = submit_waiting("count", { 3, 0.01 })
        local follower = begin{ follow_stream = new, since = 0 }
        go()
        local _, lines = last(follower)
        assert.equal(4, #lines)
        for i = 1, 3 do assert.same({ packet = i - 1, data = { i = i } }, harp.decode(lines[i])) end
      end
    end)

    it("does so with a database of schema 1 too", function()
      start()
      assert.equal(0, dispatcher:stop())
      harness.write(dispatcher.directory .. "/dispatcher.db", harness.read "spec/data/schema1.db")
      harness.write(dispatcher.directory .. "/dispatcher.lua",
        harness.read(dispatcher.directory .. "/dispatcher.lua") .. "\nkeep_for = 0.01")
      dispatcher:restart()
      eventually(function()
        return is_gone "11111111-1111-4111-8111-111111111111" and is_gone "22222222-2222-4222-8222-222222222222"
      end)
    end)
  end)

  describe("told how much to keep", function()
    it("removes the oldest when there is more, and uses their space again", function()
      start "keep_bytes = 2e6"
      local ids, path = {}, dispatcher.directory .. "/dispatcher.db"
      local function write_jobs(n)
        for _ = 1, n do
          ids[#ids + 1] = submit("text", { 100000 })
          outcome(ids[#ids])
        end
      end
      write_jobs(60)
      eventually(function() return #jobs() < 20 end)
      local left = #jobs()
      assert.is_true(left > 10)
      assert.is_true(is_gone(ids[1]) and is_gone(ids[60 - left]))
      assert.equal("text", status(ids[60 - left + 1]).call.procedure)
      write_jobs(60)
      eventually(function() return #jobs() < 20 end)
      assert.equal(0, dispatcher:stop())
      assert.is_true(#harness.read(path) < 9e6)
    end)

    it("gives back what it does not need", function()
      start()
      local path = dispatcher.directory .. "/dispatcher.db"
      for _ = 1, 10 do outcome(submit("text", { 1000000 })) end
      assert.equal(0, dispatcher:stop())
      assert.is_true(#harness.read(path) > 9e6)
      harness.write(dispatcher.directory .. "/dispatcher.lua",
        harness.read(dispatcher.directory .. "/dispatcher.lua") .. "\nkeep_for = 0.01")
      dispatcher:restart()
      eventually(function() return #jobs() == 0 end)
      local tries = 0
      repeat
        tries = tries + 1
        if tries > 1 then dispatcher:restart() end      -- it goes on there
        socket.sleep(0.5)
        assert.equal(0, dispatcher:stop())
      until #harness.read(path) < 6e6 or tries == 10
      assert.is_true(#harness.read(path) < 6e6)
    end)

    it("has settings that are checked", function()
      for _, wrong in ipairs{ "keep_for = -1", "keep_bytes = -1", "keep_bytes = 'x'", "job_bytes = 0",
        "grace = -1" } do
        local config = harness.write(harness.directory() .. "/wrong.lua", wrong)
        local _, errors, code = harness.harp("dispatcher --config " .. config)
        assert.equal(1, code)
        assert.truthy(errors:find(wrong:match "^%S+"), errors)
      end
    end)
  end)

  describe("when a job with a dedup key is gone", function()
    local LONG = 30 * 3600      -- seconds
    local file, at

    before_each(function() file, at = os.tmpname(), harness.directory() .. "/control" end)
    after_each(function() os.remove(file) end)

    local function call(window, key)
      return request{
        host = "localhost", procedure = "mark", arguments = harp.array{ file },
        dedup = { key = key or "once", window = window },
      }
    end

    local function prune()
      local connection = unix.stream and unix.stream() or unix()
      assert(connection:connect(at))
      assert(connection:send '{"prune":0}\n')
      local reply = harp.decode(assert(connection:receive "*l"))
      connection:close()
      return reply.pruned
    end

    local function lose(id)
      eventually(function() return is_gone(id) end)
      return id
    end

    local function runs() return select(2, harness.read(file):gsub("ran\n", "")) end

    -- The key is still that of the job, and nothing new runs.
    local function check_known(id, key)
      local before = runs()
      assert.same({ harpcaller = 1, job_id = id, duplicate = true }, call(LONG, key))
      assert.equal("invalid_jobid", outcome(id).error.type)
      for _, line in ipairs(jobs()) do assert.not_equal(id, line.job.id) end
      assert.equal(before, runs())
    end

    -- A call with the key is a new one, however long ago the job was.
    local function check_forgotten(id, key)
      local reply, before = nil, runs()
      eventually(function()
        reply = call(LONG, key)
        return not reply.duplicate
      end)
      assert.not_equal(id, reply.job_id)
      eventually(function() return runs() == before + 1 end)
    end

    it("of old age, the key is known in its window, after a kill -9 too", function()
      start "keep_for = 0.05"
      local id = lose(call(LONG).job_id)
      check_known(id)
      dispatcher:stop "KILL"
      dispatcher:restart()
      check_known(id)
      assert.equal(1, runs())
    end)

    it("for want of space, the key is known in its window", function()
      start "keep_bytes = 1"
      check_known(lose(call(LONG).job_id))
      assert.equal(1, runs())
    end)

    it("as was asked for, the key is known in its window, and goes at the next start", function()
      start(("control = 'unix:%s'"):format(at))
      local id, short = call(LONG).job_id, call(0.2, "short").job_id
      outcome(id)
      outcome(short)
      eventually(function()
        prune()
        return is_gone(id) and is_gone(short)
      end)
      check_known(id)
      assert.equal(2, runs())
      socket.sleep(0.2)
      dispatcher:stop "KILL"
      dispatcher:restart()
      check_forgotten(short, "short")
      check_known(id)
    end)

    it("the key goes when its window is over, and a call with it runs", function()
      start "keep_for = 0.05"
      local ids = {}
      for i = 1, 20 do ids[i] = call(0.3, i).job_id end
      for _, id in ipairs(ids) do lose(id) end
      for i, id in ipairs(ids) do check_forgotten(id, i) end
      assert.equal(40, runs())
    end)

    -- spec/data/schema3.db has two jobs that ended, with the keys "old" and "new".
    it("that an older harp took, the key is known for a day", function()
      start "keep_for = 0.05"
      assert.equal(0, dispatcher:stop())
      local database = harness.read "spec/data/schema3.db"
      for submitted, hours in pairs{ [1500000000.375] = 25, [1700000000.375] = 23 } do
        database = database:gsub(string.pack(">d", submitted):gsub("%W", "%%%0"), function()
          return string.pack(">d", os.time() + 0.375 - hours * 3600)
        end)
      end
      harness.write(dispatcher.directory .. "/dispatcher.db", database)
      dispatcher:restart()
      check_forgotten(lose "11111111-1111-4111-8111-111111111111", "old")
      check_known(lose "22222222-2222-4222-8222-222222222222", "new")
    end)
  end)

  describe("with a limit on the bytes of a job", function()
    before_each(function() start "job_bytes = 10000" end)

    it("stores what is within it", function()
      assert.equal(9990, #outcome(submit("text", { 9990 })).result)
    end)

    it("ends with an error what is more, in one piece or in many", function()
      local result = outcome(submit("text", { 10001 }))
      assert.equal("too_much_data", result.error.type)
      assert.truthy(result.error.message:find "10000 bytes")
      local many = submit("count", { 100000, 0 })
      local _, lines = request{ follow_stream = many, since = 0 }
      assert.equal("too_much_data", lines[#lines].error.type)
      local bytes = 0
      for i = 1, #lines - 1 do bytes = bytes + #harp.encode(lines[i].data) end
      assert.is_true(bytes <= 10000 and bytes > 9980)
      eventually(function() return daemon:children() == 0 end)
    end)
  end)

  describe("with a damaged database", function()
    local function path() return dispatcher.directory .. "/dispatcher.db" end

    -- Overwrites the leaves of tables (13) or indexes (10) that have the text.
    local function damage(kind, text)
      local file <close> = assert(io.open(path(), "r+"))
      local content, found = file:read "a", 0
      for from = 1, #content, 4096 do
        if content:byte(from) == kind and content:sub(from, from + 4095):find(text, 1, true) then
          file:seek("set", from - 1)
          file:write(("\xff"):rep(4096))
          found = found + 1
        end
      end
      assert.is_true(found > 0)
    end

    it("says so of what cannot be read, and serves the rest", function()
      start()
      local ids, broken = {}, 0
      for i = 1, 40 do
        ids[i] = submit("text", { 500 }, { info = { n = ("job %d."):format(i) } })
        outcome(ids[i])
      end
      local stream, other = submit("count", { 2000 }), submit("count", { 10 })
      outcome(stream)
      outcome(other)
      assert.equal(0, dispatcher:stop())
      damage(10, '{"i":1000}')
      damage(13, "job 20.")
      dispatcher:restart()
      local failure, lines = last(begin{ follow_stream = stream, since = 0 })
      assert.equal("system_error", failure.error.type)
      assert.truthy(failure.error.message:find "malformed")
      for i = 1, #lines - 1 do assert.equal(i - 1, harp.decode(lines[i]).packet) end
      assert.equal(11, #select(2, request{ read_stream = stream, recent = 10 }))
      assert.equal(11, #select(2, request{ read_stream = other }))
      for i, id in ipairs(ids) do
        local reply = outcome(id)
        if reply.error then
          assert.equal("system_error", reply.error.type)
          broken = broken + 1
        else
          assert.equal(500, #reply.result, i)
        end
      end
      assert.is_true(broken > 0 and broken < 20)
      assert.equal("system_error", status(ids[20]).error.type)
      assert.equal("system_error", select(-1, table.unpack(select(2, request{ list_jobs = {} }))).error.type)
      assert.same({ result = 3 }, outcome(submit("sum", { 1, 2 })))
    end)

    it("lets no one wait for an outcome that cannot be stored", function()
      start()
      for _ = 1, 20 do outcome(submit("sum", { 1, 2 })) end
      local id = submit_running("sleep", { 100 }, { info = "needle", queue = { name = { q = 1 } } })
      local queued = submit("sum", { 1, 2 }, { queue = { name = { q = 1 } } })
      local waiter = begin{ get_result = id, wait = true }
      for _ = 1, 20 do outcome(submit("text", { 300 })) end
      for _ = 1, 3 do outcome(submit("text", { 3000000 })) end  -- it is in the file now, and not in memory
      damage(13, "needle")
      local reply = request{ cancel = id }
      assert.equal("system_error", reply.error.type)
      assert.truthy(last(waiter).error)
      assert.truthy(outcome(queued))
      assert.same({ result = 3 }, outcome(submit("sum", { 1, 2 })))
    end)
  end)

  -- What `make crash` found. The library is made by that and by `make check`.
  describe("when a write or a sync of its disk fails", function()
    local fault = os.getenv "HARP_BUILD" .. "/fault.so"

    local function start_failing(what)
      local count = harness.directory() .. "/count"
      start("", ("export LD_PRELOAD=%s HARP_FAULT_COUNT=%s HARP_FAULT=\"%s\";"):format(fault, count, what))
      return (string.unpack("=I8", harness.read(count)))
    end

    it("and it is killed then, has no job that was refused, or says that it may", function()
      local library = io.open(fault)
      if not library then return pending "no fault.so" end
      library:close()
      local first, doubts = start_failing "fail 1000000 0 5", 0
      for write = first + 1, first + 12 do
        dispatcher:stop "KILL"
        start_failing(("fail %d 10000 5"):format(write))
        local reply = request{ host = "localhost", procedure = "sum", arguments = harp.array{ 1, 2 } }
        local refused = reply.error and reply.error.message
        dispatcher:stop "KILL"
        dispatcher.before = nil
        dispatcher:restart()
        if not refused then
          assert.truthy(outcome(reply.job_id).result or outcome(reply.job_id).error)
        elseif refused:find "may be found done after a restart" then
          doubts = doubts + 1
        else
          assert.equal("system_error", reply.error.type)
          assert.equal(0, #jobs())
        end
      end
      assert.equal(1, doubts)
    end)
  end)
end)
