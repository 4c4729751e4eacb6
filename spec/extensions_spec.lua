-- The dispatcher's extensions as the wire shows them (protocol §4).

local harness = require "spec.support.harness"
local harp = require "harp"
local socket = require "socket"

local ask, eventually = harness.ask, harness.eventually

local HELLO = '{"harpcaller":1,"get_status":"00000000-0000-0000-0000-000000000000"}\n'

describe("the dispatcher's extensions:", function()
  local daemon, dispatcher

  setup(function()
    daemon = harness.daemon()
    dispatcher = harness.dispatcher{ daemon = daemon }
  end)

  teardown(harness.clean_up)

  -- ---- a connection that stays open ----

  local Line, opened = {}, {}
  Line.__index = Line

  local function open(server)
    local line = setmetatable({ socket = harness.connect(server or dispatcher), tag = 0 }, Line)
    opened[#opened + 1] = line
    return line
  end

  after_each(function()
    while #opened > 0 do table.remove(opened).socket:close() end
  end)

  local function encode(fields)
    fields.harpcaller = 1
    return harp.encode(fields) .. "\n"
  end

  function Line:send(fields)
    assert(self.socket:send(type(fields) == "table" and encode(fields) or fields))
  end

  function Line:receive()
    return harp.decode((assert(self.socket:receive "*l")))
  end

  -- Sends with a new tag, which is returned.
  function Line:start(fields)
    self.tag = self.tag + 1
    fields.tag = self.tag
    self:send(fields)
    return self.tag
  end

  -- The next reply, which must be to that; without its tag.
  function Line:answer(tag)
    local reply = self:receive()
    assert.equal(tag, reply.tag)
    reply.tag = nil
    return reply
  end

  function Line:ask(fields) return self:answer(self:start(fields)) end

  local function call(procedure, arguments, options)
    local fields = { host = "localhost", procedure = procedure, arguments = harp.array(arguments or {}) }
    for name, v in pairs(options or {}) do fields[name] = v end
    return fields
  end

  function Line:submit(...) return assert(self:ask(call(...)).job_id) end
  function Line:outcome(id) return self:ask{ get_result = id, wait = true } end

  -- Nothing has come for it, and nothing is wrong with the connection.
  function Line:is_quiet()
    self:send(HELLO)
    return self:receive().extensions ~= nil
  end

  function Line:is_closed()
    local line, reason = self.socket:receive "*l"
    return line == nil and reason == "closed"
  end

  local function memory(server)
    local kib = harness.read("/proc/" .. server.pid .. "/status"):match "VmRSS:%s*(%d+)"
    return math.tointeger(kib) * 1024
  end

  -- A sanitizer keeps what was freed: no figures then.
  local sanitized = harness.shell("ldd " .. harness.program):find "libasan" ~= nil

  describe("hello", function()
    it("tells what there is, and the connection stays open", function()
      local line = open()
      for _ = 1, 2 do
        line:send(HELLO)
        local reply = line:receive()
        assert.equal("invalid_jobid", reply.error.type)
        assert.same({ "tag", "dedup", "timestamps", "list" }, reply.extensions)
        assert.is_nil(reply.tag)
      end
      assert.same({ result = 5 }, line:outcome(line:submit("sum", { 2, 3 })))
    end)

    it("with a tag is a ping", function()
      local line = open()
      assert.equal("invalid_jobid", line:ask{ get_status = "00000000-0000-0000-0000-000000000000" }.error.type)
      assert.is_true(line:is_quiet())
    end)

    it("may be followed by an ordinary request, which is the last", function()
      local lines, closed = ask(dispatcher, HELLO .. '{"harpcaller":1,"cancel":"x"}\n' .. HELLO)
      assert.is_true(closed)
      assert.equal(2, #lines)
      assert.equal('{"cancelled":false}', lines[2])
    end)
  end)

  describe("tags", function()
    it("let many requests share a connection, with replies in any order", function()
      local line = open()
      local slow = line:submit("sleep", { 100 })
      local quick = line:submit("sum", { 1, 2 })
      local first = line:start{ get_result = slow }
      local second = line:start{ get_result = quick }
      local third = line:start{ get_status = slow }
      local replies = {}
      local function receive(n)
        for _ = 1, n do
          local reply = line:receive()
          replies[reply.tag] = reply
        end
      end
      receive(2)
      assert.same({ result = 3, tag = second }, replies[second])
      assert.equal("sleep", replies[third].call.procedure)
      local fourth = line:start{ cancel = slow }
      receive(2)
      for _, tag in ipairs{ first, fourth } do assert.same({ cancelled = true, tag = tag }, replies[tag]) end
    end)

    it("are in every line of a stream, of many at once", function()
      local line = open()
      local id = line:submit("count", { 300 })
      local streams, next_packet = {}, {}
      for _ = 1, 10 do
        local tag = line:start{ follow_stream = id, since = 0 }
        streams[tag], next_packet[tag] = true, 0
      end
      while next(streams) do
        local reply = line:receive()
        if reply.result then
          assert.equal(300, next_packet[reply.tag])
          streams[reply.tag] = nil
        else
          assert.equal(next_packet[reply.tag], reply.packet)
          next_packet[reply.tag] = reply.packet + 1
        end
      end
    end)

    it("have their replies sent together", function()
      local line, text = open(), {}
      local id = line:submit("sum", { 1, 2 })
      line:outcome(id)
      local function writes()
        return math.tointeger(harness.read("/proc/" .. dispatcher.pid .. "/io"):match "syscw: (%d+)")
      end
      local before = writes()
      for tag = 1, 1000 do text[tag] = encode{ get_status = id, tag = tag } end
      line:send(table.concat(text))
      for tag = 1, 1000 do assert.equal("sum", line:answer(tag).call.procedure) end
      assert.is_true(writes() - before < 300)
    end)

    it("may be any integer, once at a time", function()
      local line = open()
      local id = line:submit("sleep", { 100 })
      for _, tag in ipairs{ 0, -1, math.maxinteger, math.mininteger } do
        line:send{ cancel = "x", tag = tag }
        assert.same({ cancelled = false, tag = tag }, line:receive())
      end
      line:send{ get_result = id, tag = 7 }
      line:send{ get_status = id, tag = 7 }
      local reply = line:receive()
      assert.equal(7, reply.tag)
      assert.equal("invalid_request", reply.error.type)
      line:send{ cancel = id, tag = 8 }
      local replies = {}
      for _ = 1, 2 do
        local one = line:receive()
        replies[one.tag] = one.cancelled
      end
      assert.same({ [7] = true, [8] = true }, replies)
      line:send{ get_result = id, tag = 7 }
      assert.same({ cancelled = true, tag = 7 }, line:receive())
    end)

    it("go with one hundred thousand requests of a connection at most", function()
      local line = open()
      local id = line:submit("sleep", { 100 })
      local wait, text = ('{"harpcaller":1,"get_result":"%s","tag":%%d}\n'):format(id), {}
      for i = 1, 100000 do text[i] = wait:format(1000 + i) end
      line:send(table.concat(text))
      line:send(wait:format(1))
      local reply = line:receive()
      assert.equal(1, reply.tag)
      assert.equal("invalid_request", reply.error.type)
      assert.truthy(reply.error.message:find "100000")
      line.socket:close()
      eventually(function() return open():ask{ cancel = id }.cancelled end)
    end)

    it("are in the errors too, and the connection stays", function()
      local line = open()
      local id = line:submit("sleep", { 100 })
      local waiting = line:start{ get_result = id }
      local wrong = { '"tag":1', '"tag":2,"cancel":1', '"cancel":"x","tag":3,"extra":1', '"tag":4,"get_status":""' }
      for _, text in ipairs(wrong) do
        line:send('{"harpcaller":1,' .. text .. "}\n")
        local reply = line:receive()
        assert.equal(math.tointeger(text:match '"tag":(%d)'), reply.tag)
        assert.truthy(reply.error.type:find "^invalid_")
      end
      line:send{ cancel = id, tag = 5 }
      local replies = { [line:receive().tag] = true, [line:receive().tag] = true }
      assert.same({ [waiting] = true, [5] = true }, replies)
    end)

    it("that cannot be read end the connection, with an error", function()
      for _, text in ipairs{ "x", "", '{"harpcaller":1,"cancel":"x","tag":1.5}', '{"harpcaller":1,"cancel":"x","tag":1',
                             '{"harpcaller":1,"cancel":"x","tag":9223372036854775808}' } do
        local line = open()
        local id = line:submit("sleep", { 100 })
        line:start{ get_result = id }
        line:send(text .. "\n")
        local reply = line:receive()
        assert.is_nil(reply.tag)
        assert.truthy(reply.error.type == "parse_error" or reply.error.type == "invalid_request")
        assert.is_true(line:is_closed())
        open():ask{ cancel = id }
      end
    end)

    it("may be left out in the last request: all are answered, then the connection closes", function()
      local line = open()
      local id = line:submit("sleep", { 100 })
      local waiting = line:start{ get_result = id }
      line:send('{"harpcaller":1,"cancel":"x"}\n')
      assert.same({ cancelled = false }, line:receive())
      open():ask{ cancel = id }
      assert.same({ cancelled = true }, line:answer(waiting))
      assert.is_true(line:is_closed())
    end)

    it("leave replies without them as they were", function()
      local id = open():submit("count", { 1 })
      local lines, closed = ask(dispatcher, ('{"harpcaller":1,"follow_stream":"%s","since":0}\n'):format(id))
      assert.same({ '{"packet":0,"data":{"i":1}}', '{"result":{"msg":"end"}}' }, lines)
      assert.is_true(closed)
      local reply = ask(dispatcher, encode(call("sum", { 1, 2 })))[1]
      assert.truthy(reply:find '^{"harpcaller":1,"job_id":"[-%x]+"}$')
    end)

    it("and a hang-up leave nothing behind", function()
      local first = open()
      local id = first:submit("count", { 2, 100 })
      assert.equal(0, first:answer(first:start{ follow_stream = id, since = 0 }).packet)   -- its daemon is connected
      eventually(function() return dispatcher:descriptors() < 17 end)
      local before = dispatcher:descriptors()
      for _ = 1, 20 do
        local line = open()
        for _ = 1, 10 do line:start{ follow_stream = id } end
        line.socket:close()
      end
      eventually(function() return dispatcher:descriptors() <= before end)
      open():ask{ cancel = id }
    end)
  end)

  describe("forget", function()
    it("gives up on one exchange, without a reply", function()
      local line = open()
      local id = line:submit("count", { 100000, 0.01 })
      local forgotten, kept = line:start{ follow_stream = id }, line:start{ get_result = id }
      assert.equal(forgotten, line:receive().tag)
      line:send{ forget = forgotten }
      line:send(HELLO)
      repeat until line:receive().extensions
      socket.sleep(0.05)
      line:send{ cancel = id, tag = forgotten }       -- its tag is free again
      local replies = {}
      for _ = 1, 2 do
        local reply = line:receive()
        replies[reply.tag] = reply.cancelled
      end
      assert.same({ [forgotten] = true, [kept] = true }, replies)
    end)

    it("of an unknown tag does nothing", function()
      local line = open()
      line:send{ forget = 12345 }
      line:send{ forget = 1, tag = 1 }
      assert.is_true(line:is_quiet())
    end)

    it("does not undo what was asked for", function()
      local line = open()
      local file = os.tmpname()
      local tag = line:start(call("mark", { file, "done" }))
      line:send{ forget = tag }
      eventually(function() return harness.read(file) == "done\n" end)
      os.remove(file)
    end)
  end)

  describe("dedup", function()
    local serial = 0

    -- A key that was never used.
    local function fresh()
      serial = serial + 1
      return { test = serial, run = harp.array{ 1, "é" } }
    end

    local function once(key, window, procedure)
      return call(procedure or "sum", { 1, 2 }, { dedup = { key = key, window = window } })
    end

    it("gives the job of the same key instead of a new one", function()
      local line, key = open(), fresh()
      local first = line:ask(once(key, 60))
      assert.same({ harpcaller = 1, job_id = first.job_id }, first)
      local second = line:ask(once(key, 60, "echo"))
      assert.same({ harpcaller = 1, job_id = first.job_id, duplicate = true }, second)
      assert.same({ result = 3 }, line:outcome(first.job_id))
      assert.equal("sum", line:ask{ get_status = first.job_id }.call.procedure)
      assert.is_true(line:ask(once(key, 60)).duplicate)       -- though it has ended
      assert.is_nil(line:ask(once(fresh(), 60)).duplicate)
      assert.is_nil(line:ask(call("sum", { 1, 2 })).duplicate)
      local lines = ask(dispatcher, encode(once(key, 60)))
      assert.same({ ('{"harpcaller":1,"job_id":"%s","duplicate":true}'):format(first.job_id) }, lines)
    end)

    it("knows a key by its value, of any kind", function()
      local line = open()
      local function job(key)
        line:send(('{"harpcaller":1,"host":"localhost","procedure":"sum","arguments":[1,1],"tag":1,' ..
          '"dedup":{"key":%s,"window":60}}\n'):format(key))
        return line:receive().job_id
      end
      local one = job '{"a":1,"b":[true,"x"]}'
      assert.equal(one, job '{ "b" : [ true , "\\u0078" ] , "a":1}')
      local ids = { [one] = true }
      for _, key in ipairs{ '{"a":1,"b":[true,"y"]}', '"x"', '"1"', "1", "null", "false", "[]", "{}" } do
        local id = job(key)
        assert.is_nil(ids[id])
        ids[id] = true
        assert.equal(id, job(key))
      end
    end)

    it("looks back as far as the later one asks", function()
      local line, key = open(), fresh()
      local first = line:ask(once(key, 60)).job_id
      socket.sleep(0.3)
      local second = line:ask(once(key, 0.2))
      assert.is_nil(second.duplicate)
      assert.not_equal(first, second.job_id)
      assert.equal(second.job_id, line:ask(once(key, 60)).job_id)
    end)

    it("is exact among requests that come at once", function()
      local line, key, text = open(), fresh(), {}
      for i = 1, 50 do
        local fields = once(key, 60)
        fields.tag = i
        text[i] = encode(fields)
      end
      local other = open()
      other:send(text[1]:rep(1))
      line:send(table.concat(text))
      local id, fresh_ones = other:receive(), 0
      if not id.duplicate then fresh_ones = 1 end
      for i = 1, 50 do
        local reply = line:answer(i)
        assert.equal(id.job_id, reply.job_id)
        if not reply.duplicate then fresh_ones = fresh_ones + 1 end
      end
      assert.equal(1, fresh_ones)
    end)

    it("outlives a kill -9", function()
      local mortal = harness.dispatcher{ daemon = daemon }
      local key = fresh()
      local first = open(mortal):ask(once(key, 60)).job_id
      mortal:stop "KILL"
      mortal:restart()
      assert.same({ harpcaller = 1, job_id = first, duplicate = true }, open(mortal):ask(once(key, 60)))
      assert.equal(0, mortal:stop())
    end)
  end)

  describe("timestamps", function()
    it("tell when each packet came, in both kinds of streams", function()
      local line = open()
      -- The least time between two of the packets.
      local function pace()
        local before, least = socket.gettime(), math.huge
        local id = line:submit("count", { 5, 0.05 })
        line:outcome(id)
        for _, operation in ipairs{ "follow_stream", "read_stream" } do
          local tag, last = line:start{ [operation] = id, since = 0, timestamps = true }, before
          for i = 1, 5 do
            local reply = line:answer(tag)
            assert.equal(i, reply.data.i)
            assert.equal("float", math.type(reply.time))
            assert.is_true(reply.time >= last and reply.time < socket.gettime())
            if i > 1 then least = math.min(least, reply.time - last) end
            last = reply.time
          end
          assert.same({ result = { msg = "end" } }, line:answer(tag))
        end
        return least
      end
      eventually(function() return pace() > 0.02 end)     -- on a busy machine some come together
    end)

    it("come only when they are asked for", function()
      local line = open()
      local id = line:submit("count", { 1 })
      line:outcome(id)
      for _, timestamps in ipairs{ false, harp.null } do
        local tag = line:start{ read_stream = id, timestamps = timestamps ~= harp.null and timestamps or nil }
        assert.same({ packet = 0, data = { i = 1 } }, line:answer(tag))
        assert.truthy(line:answer(tag).result)
      end
      local lines = ask(dispatcher, ('{"harpcaller":1,"read_stream":"%s","timestamps":true}\n'):format(id))
      assert.truthy(lines[1]:find '^{"packet":0,"data":{"i":1},"time":%d+%.%d+}$')
    end)
  end)

  local ALL = harp.decode "{}"

  -- All of a list; each entry is what is in its line.
  function Line:list(fields)
    local name = fields.list_jobs and "job" or fields.list_queues and "queue" or "host"
    local tag, list = self:start(fields), {}
    while true do
      local reply = self:answer(tag)
      if reply["end"] then
        assert.same({ ["end"] = true }, reply)
        return list
      end
      assert.is_nil(reply.error, reply.error and reply.error.message)
      list[#list + 1] = assert(reply[name])
    end
  end

  describe("list_jobs", function()
    local listed, ids, times = nil, {}, {}

    -- The jobs of this dispatcher, by name.
    setup(function()
      listed = harness.dispatcher{ daemon = daemon }
      local line = open(listed)
      local queue = { name = { list = "one" }, concurrency = 1 }
      local function add(name, procedure, arguments, options)
        ids[name] = line:submit(procedure, arguments, options)
        socket.sleep(0.02)
        times[name] = socket.gettime()
      end
      add("ended", "echo", { 1 }, { info = { ticket = 42 } })
      add("raised", "fail", {}, { host = "web01" })
      add("failed", "no such", {}, { host = "web02", info = "ticket 43" })
      for _, name in ipairs{ "ended", "raised", "failed" } do line:outcome(ids[name]) end
      add("running", "sleep", { 100 }, { host = "web01", queue = queue })
      add("queued", "sleep", { 100 }, { queue = queue, info = { ticket = 42 } })
      add("cancelled", "sleep", { 100 }, { host = "web01", queue = queue })
      line:ask{ cancel = ids.cancelled }
      eventually(function() return line:ask{ get_status = ids.running }.time.start ~= harp.null end)
    end)

    local function names(filter)
      local list, by_id = {}, {}
      for name, id in pairs(ids) do by_id[id] = name end
      for i, job in ipairs(open(listed):list{ list_jobs = filter }) do list[i] = by_id[job.id] end
      return table.concat(list, " ")
    end

    it("tells of all, the newest first", function()
      assert.equal("cancelled queued running failed raised ended", names(ALL))
    end)

    it("tells much of each", function()
      local list = open(listed):list{ list_jobs = ALL }
      assert.same({
        id = ids.queued, host = "localhost", procedure = "sleep", arguments = { 100 }, queue = { list = "one" },
        info = { ticket = 42 }, state = "queued", outcome = harp.null,
        time = { submit = list[2].time.submit, start = harp.null, ["end"] = harp.null },
      }, list[2])
      local outcomes, states = {}, {}
      for i, job in ipairs(list) do
        outcomes[i], states[i] = job.outcome == harp.null and "null" or job.outcome, job.state
        assert.equal("integer", math.type(job.time.submit))
        assert.equal(job.state == "ended", job.time["end"] ~= harp.null)
      end
      assert.equal("cancelled null null error exception result", table.concat(outcomes, " "))
      assert.equal("ended queued running ended ended ended", table.concat(states, " "))
      assert.equal(harp.null, list[6].queue)
      assert.equal(harp.null, list[3].info)
    end)

    local cases = {
      { { host = "web01" }, "cancelled running raised" },
      { { host = "web" }, "" },
      { { procedure = "sleep" }, "cancelled queued running" },
      { { procedure = "no such" }, "failed" },
      { { queue = { list = "one" } }, "cancelled queued running" },
      { { queue = { list = "two" } }, "" },
      { { state = "queued" }, "queued" },
      { { state = "running" }, "running" },
      { { state = "ended" }, "cancelled failed raised ended" },
      { { info = "42" }, "queued ended" },
      { { info = '"ticket' }, "queued failed ended" },
      { { limit = 2 }, "cancelled queued" },
      { { limit = 0 }, "" },
      { { limit = 100 }, "cancelled queued running failed raised ended" },
      { { host = "web01", procedure = "sleep", queue = { list = "one" }, state = "ended" }, "cancelled" },
      { { host = "localhost", info = "42", limit = 1 }, "queued" },
      { { state = "queued", host = "web01" }, "" },
    }
    for _, case in ipairs(cases) do
      it("filters by " .. harp.encode(case[1]), function() assert.equal(case[2], names(case[1])) end)
    end

    it("filters by the time of submission", function()
      assert.equal("cancelled queued", names{ since = times.running })
      assert.equal("raised ended", names{ ["until"] = times.raised })
      assert.equal("failed raised", names{ since = times.ended, ["until"] = times.failed })
      assert.equal("raised", names{ since = times.ended, ["until"] = times.failed, host = "web01" })
      assert.equal("queued", names{ since = times.running, state = "queued" })
      assert.equal("cancelled", names{ since = times.queued, queue = { list = "one" } })
    end)

    it("refuses what it does not know", function()
      local line = open(listed)
      for _, filter in ipairs{ { state = "gone" }, { hosts = "web01" }, { limit = -1 }, { queue = "x" } } do
        assert.equal("invalid_request", line:ask{ list_jobs = filter }.error.type)
      end
    end)

    it("answers without a tag, and closes", function()
      local lines, closed = ask(listed, encode{ list_jobs = { host = "web02" } })
      assert.is_true(closed)
      assert.equal(2, #lines)
      assert.equal(ids.failed, harp.decode(lines[1]).job.id)
      assert.equal('{"end":true}', lines[2])
    end)

    it("reads thousands of jobs as its client does", function()
      local many, text, COUNT = harness.dispatcher{ daemon = daemon }, {}, 6000
      local line = open(many)
      for i = 1, COUNT do
        text[i] = encode{ host = "web99", procedure = "p" .. i % 2, arguments = { ("x"):rep(2000) }, info = i, tag = i }
      end
      line:send(table.concat(text))
      for _ = 1, COUNT do assert(line:receive().job_id) end
      eventually(function() return #line:list{ list_jobs = { state = "running" } } == 0 end)
      local before = memory(many)
      local tag = line:start{ list_jobs = ALL }
      socket.sleep(0.1)
      assert.is_true(sanitized or memory(many) - before < 6000000)
      for i = COUNT, 1, -1 do
        local job = line:answer(tag).job
        assert.equal(i, job.info)
        assert.equal("error", job.outcome)
      end
      assert.same({ ["end"] = true }, line:answer(tag))
      assert.equal(COUNT / 2, #line:list{ list_jobs = { procedure = "p1" } })
      assert.equal(2500, #line:list{ list_jobs = { host = "web99", limit = 2500 } })
      assert.equal(1, #line:list{ list_jobs = { info = "6000" } })
      assert.equal(0, #line:list{ list_jobs = { procedure = "p2" } })
      assert.equal(0, many:stop())
    end)
  end)

  describe("list_queues", function()
    it("tells what each does", function()
      local line, before = open(), #open():list{ list_queues = true }
      local queued = {}
      for i = 1, 5 do
        queued[i] = line:submit("sleep", { 100 }, { queue = { name = { b = 1, a = "é" }, concurrency = 2 } })
      end
      queued[6] = line:submit("sleep", { 100 }, { queue = { name = { a = "d" } } })
      local list = line:list{ list_queues = true }
      assert.equal(before + 2, #list)
      assert.same({ name = { a = "d" }, concurrency = 1, running = 1, waiting = 0 }, list[1])
      assert.same({ name = { a = "é", b = 1 }, concurrency = 2, running = 2, waiting = 3 }, list[2])
      line:ask{ cancel = queued[5] }
      line:ask{ cancel = queued[1] }
      list = line:list{ list_queues = true }
      assert.same({ name = { a = "é", b = 1 }, concurrency = 2, running = 2, waiting = 1 }, list[2])
      for _, i in ipairs{ 2, 3, 4, 6 } do line:ask{ cancel = queued[i] } end
      assert.equal(before, #line:list{ list_queues = true })
      assert.same({ '{"end":true}' }, ask(harness.dispatcher{ daemon = daemon }, encode{ list_queues = true }))
    end)
  end)

  describe("list_hosts", function()
    it("tells where they are, in the order of their names, and no secrets", function()
      local line, address = open(), "127.0.0.1:" .. daemon.port
      assert.same({
        { name = "localhost", address = address }, { name = "nowhere", address = "nowhere.invalid:4306" },
        { name = "refused", address = "127.0.0.1:1" }, { name = "web01", address = address },
        { name = "web02", address = address },
      }, line:list{ list_hosts = true })
      local lines, closed = ask(dispatcher, encode{ list_hosts = true })
      assert.is_true(closed)
      assert.equal(6, #lines)
      assert.is_nil(table.concat(lines):find "secret")
      assert.is_nil(table.concat(lines):find "tester")
    end)

    it("and the others take nothing but true", function()
      for _, name in ipairs{ "list_hosts", "list_queues" } do
        assert.equal("invalid_request", open():ask{ [name] = false }.error.type)
      end
    end)
  end)

  describe("max_running", function()
    local function capped(n)
      return harness.dispatcher{ daemon = daemon, settings = "max_running = " .. n }
    end

    local function running(line) return #line:list{ list_jobs = { state = "running" } } end

    it("is how many calls run at once; the others are queued", function()
      local small = capped(3)
      local line, ids = open(small), {}
      for i = 1, 12 do ids[i] = line:submit("sleep", { i <= 3 and 100 or 0.1 }) end
      assert.equal("queued", line:list{ list_jobs = ALL }[1].state)
      assert.equal(harp.null, line:ask{ get_status = ids[12] }.time.start)
      for i = 1, 3 do line:ask{ cancel = ids[i] } end
      eventually(function()
        local count = running(line)
        assert.is_true(count <= 3)
        return count == 0
      end)
      for i = 4, 12 do assert.same({ result = "slept" }, line:outcome(ids[i])) end
      assert.equal(0, small:stop())
    end)

    it("lets queues take turns, each in the order of submission, and the time before does not count", function()
      local small, file, ids = capped(1), os.tmpname(), {}
      local line = open(small)
      local first = line:submit("sleep", { 100 })
      line:submit("sum", { 1, 2 })
      for i = 1, 6 do
        ids[i] = line:submit("mark", { file, tostring(i) }, i % 2 == 0 and { queue = { name = { odd = false } } })
      end
      line:ask{ cancel = first }
      for _, id in ipairs(ids) do line:outcome(id) end
      assert.equal("2\n1\n4\n3\n6\n5\n", harness.read(file))
      os.remove(file)
      eventually(function()     -- though one run that a busy machine delays ends by its limit
        line:submit("sleep", { 1 })
        return line:outcome(line:submit("sleep", { 1 }, { max_exec_time = 1.9 })).result == "slept"
      end)
      assert.equal(0, small:stop())
    end)

    it("leaves queues their own concurrency", function()
      local small = capped(4)
      local line, ids = open(small), {}
      for i = 1, 6 do
        ids[i] = line:submit("sleep", { 100 }, { queue = { name = { q = i % 2 }, concurrency = 2 - i % 2 } })
      end
      ids[7] = line:submit("sleep", { 100 })
      local function queues()
        local running_in = {}
        for _, queue in ipairs(line:list{ list_queues = true }) do
          running_in[queue.name.q] = queue.running
          assert.is_true(queue.running <= queue.concurrency)
        end
        return running_in
      end
      eventually(function() return running(line) == 4 end)
      assert.same({ [0] = 2, [1] = 1 }, queues())
      for _, id in ipairs(ids) do
        assert.is_true(line:ask{ cancel = id }.cancelled)
        queues()
      end
      assert.equal(0, small:stop())
    end)

    it("does not keep a job that waits from being cancelled, or lost in a restart", function()
      local small, ids = capped(1), {}
      local line = open(small)
      for i = 1, 40 do ids[i] = line:submit("sleep", { i == 1 and 100 or 0 }) end
      for i = 3, 40, 2 do assert.is_true(line:ask{ cancel = ids[i] }.cancelled) end
      small:stop "KILL"
      small:restart()
      line = open(small)
      assert.equal("missing_result", line:outcome(ids[1]).error.type)
      for i = 2, 40 do
        assert.same(i % 2 == 0 and { result = "slept" } or { cancelled = true }, line:outcome(ids[i]))
      end
      assert.equal(0, small:stop())
    end)

    it("must be a number of at least 1", function()
      local config = harness.write(dispatcher.directory .. "/none.lua", "max_running = 0")
      local _, errors, code = harness.harp("dispatcher --config " .. config)
      assert.equal(1, code)
      assert.truthy(errors:find "max_running")
    end)
  end)

  -- spec/data/schema1.db has a job that ended, with a packet, and one that waits in a queue.
  describe("a database of schema 1", function()
    it("is brought up to date, with all that is in it", function()
      local old = harness.dispatcher{ daemon = daemon }
      assert.equal(0, old:stop())
      harness.write(old.directory .. "/dispatcher.db", harness.read "spec/data/schema1.db")
      old:restart()
      local line = open(old)
      assert.same({ result = "kept" }, line:outcome "11111111-1111-4111-8111-111111111111")
      assert.same({ packet = 0, data = 1 }, line:ask{ read_stream = "11111111-1111-4111-8111-111111111111" })
      assert.same({ result = "kept", tag = line.tag }, line:receive())
      assert.same({ result = 5 }, line:outcome "22222222-2222-4222-8222-222222222222")
      local fields = call("sum", { 1, 2 }, { dedup = { key = 1, window = 60 } })
      assert.equal(line:ask(fields).job_id, line:ask(fields).job_id)
      assert.equal(0, old:stop())
    end)
  end)

  describe("a client that does not read", function()
    local calm      -- it has not grown yet

    setup(function() calm = harness.dispatcher{ daemon = daemon } end)

    it("costs little, and has its replies when it does", function()
      local line = open(calm)
      local id = line:submit("echo", { ("x"):rep(2000) })
      line:outcome(id)
      local text = {}
      for i = 1, 20000 do text[i] = ('{"harpcaller":1,"get_status":"%s","tag":%d}\n'):format(id, 100 + i) end
      text = table.concat(text)
      local before, sent = memory(calm), 0
      line.socket:settimeout(0.2)
      local function push()
        local all, _, some = line.socket:send(text, sent + 1)
        sent = all or some
      end
      push()
      socket.sleep(0.3)
      assert.is_true(sanitized or memory(calm) - before < 8000000)
      assert.truthy(ask(calm, '{"harpcaller":1,"cancel":"x"}\n')[1])
      for i = 1, 20000 do
        local reply
        repeat
          if sent < #text then
            line.socket:settimeout(0)
            push()
          end
          line.socket:settimeout(sent < #text and 0.01 or harness.PATIENCE)
          local reason, partial
          reply, reason, partial = line.socket:receive("*l", line.rest)
          line.rest = partial
          assert(reply or reason == "timeout", reason)
        until reply
        assert.truthy(reply:find('"tag":' .. 100 + i .. "}$"), reply)
      end
      assert.is_true(sanitized or memory(calm) - before < 8000000)
      line.socket:settimeout(harness.PATIENCE)
      assert.is_true(line:is_quiet())
    end)

    it("costs little however long the replies are", function()
      local line = open(calm)
      local id = line:submit("text", { 500000 })
      line:outcome(id)
      local before = memory(calm)
      for _ = 1, 100 do line:start{ get_result = id } end
      socket.sleep(0.2)
      assert.is_true(sanitized or memory(calm) - before < 30000000)
      for _ = 1, 100 do assert.is_true(#assert(line.socket:receive "*l") > 500000) end
    end)

    it("has its streams take turns", function()
      local line, text, count, least = open(calm), {}, {}, math.huge
      local id = line:submit("count", { 2000 })
      line:outcome(id)
      for tag = 1, 40 do text[tag], count[tag] = encode{ read_stream = id, tag = tag }, 0 end
      line:send(table.concat(text))
      repeat
        local reply = line:receive()
        count[reply.tag] = count[reply.tag] + 1
      until reply.result
      for _, n in ipairs(count) do least = math.min(least, n) end
      assert.is_true(least > 1000)
    end)

    it("and hangs up is gone at once", function()
      local id = open(calm):submit("text", { 10000000 })
      open(calm):outcome(id)
      local before = calm:descriptors()
      local line = open(calm)
      line:start{ get_result = id }
      line:start{ get_result = id }
      socket.sleep(0.1)
      line.socket:close()
      eventually(function() return calm:descriptors() <= before end)
    end)
  end)

  it("leave a dispatcher that ends well", function()
    assert.equal(0, dispatcher:stop())
  end)
end)
