-- The dispatcher as the wire shows it (protocol §1 and §3).

local harness = require "spec.support.harness"
local harp = require "harp"
local socket = require "socket"
local unix = require "socket.unix"

local ask, eventually = harness.ask, harness.eventually

describe("the dispatcher", function()
  local daemon, dispatcher

  setup(function()
    daemon = harness.daemon()
    dispatcher = harness.dispatcher{ daemon = daemon }
  end)

  teardown(harness.clean_up)

  local function request(fields, server)
    fields.harpcaller = 1
    local lines = ask(server or dispatcher, harp.encode(fields) .. "\n")
    for i, line in ipairs(lines) do lines[i] = harp.decode(line) end
    return lines[1], lines
  end

  local function submit(procedure, arguments, options, server)
    local fields = { host = "localhost", procedure = procedure, arguments = harp.array(arguments or {}) }
    for name, v in pairs(options or {}) do fields[name] = v end
    local reply = request(fields, server)
    assert(reply.job_id, harp.encode(reply))
    return reply.job_id
  end

  local function outcome(id, server) return request({ get_result = id, wait = true }, server) end
  local function status(id, server) return request({ get_status = id }, server) end

  describe("runs a call", function()
    it("and keeps its result", function()
      local id = submit("sum", { 2, 3 })
      assert.truthy(id:match "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$")
      assert.same({ result = 5 }, outcome(id))
      assert.same({ result = 5 }, request{ get_result = id, wait = false })
    end)

    it("waits for the result when `wait` is left out, and not when it is false", function()
      local long = submit("sleep", { 100 })
      assert.same({ no_result = true }, request{ get_result = long, wait = false })
      request{ cancel = long }
      assert.same({ result = "slept" }, request{ get_result = submit("sleep", { 0.3 }) })
    end)

    it("and tells of it in get_status", function()
      local before = os.time()
      local id = submit("sum", { 2, 3 }, { info = { ticket = 42 } })
      outcome(id)
      local reply = status(id)
      assert.same({ procedure = "sum", arguments = { 2, 3 }, host = "localhost" }, reply.call)
      assert.same({ ticket = 42 }, reply.info)
      for _, name in ipairs{ "submit", "start", "end" } do
        assert.equal("integer", math.type(reply.time[name]))
        -- os.time's clock may be a tick behind the one that is exact
        assert.is_true(reply.time[name] >= before and reply.time[name] <= os.time() + 1)
      end
      assert.equal(harp.null, status(submit("sum", { 1, 1 })).info)
    end)

    it("and hands on exceptions and errors as they are", function()
      local reply = outcome(submit("fail"))
      assert.equal("paper", reply.exception.type)
      assert.equal("out of paper", reply.exception.message)
      assert.equal(2, reply.exception.data.tray)
      assert.equal("no_such_procedure", outcome(submit "no_such").error.type)
      assert.equal("invalid_argument_list", outcome(submit("sum", { 1, 2, 3 })).error.type)
      assert.equal("invalid_message", outcome(submit "bad").error.type)
    end)

    it("or says why it could not", function()
      local function failing(host) return outcome(submit("sum", {}, { host = host })).error end
      assert.equal("unknown_host", failing "web99".type)
      assert.truthy(failing "web99".message:find "web99")
      assert.equal("unknown_host", failing("x" .. ("é"):rep(300)).type)
      assert.equal("econnrefused", failing "refused".type)
      assert.equal("nxdomain", failing "nowhere".type)
    end)
  end)

  describe("takes a request", function()
    -- All orders of a list of up to 4; of a longer one 60 of them.
    local function orders(list)
      local found, used, order = {}, {}, {}
      local function place(at)
        if at > #list then found[#found + 1] = table.pack(table.unpack(order)) return end
        for i = 1, #list do
          if not used[i] then
            used[i], order[at] = true, list[i]
            place(at + 1)
            used[i] = false
          end
        end
      end
      if #list <= 4 then place(1) return found end
      math.randomseed(7)
      for _ = 1, 60 do
        order = table.pack(table.unpack(list))
        for i = #order, 2, -1 do
          local j = math.random(i)
          order[i], order[j] = order[j], order[i]
        end
        found[#found + 1] = order
      end
      return found
    end

    local styles = {
      { "{", ":", ",", "}\n" }, { "{", ":", ",", "}\r\n" }, { " \t{ ", " : ", " , ", " } \r\n" },
      { "{\t", "\t:\t", "\t,\t", "\t}\n" },
    }

    local function each(members, fn)
      for n, order in ipairs(orders(members)) do
        local style = styles[n % #styles + 1]
        local parts = {}
        for i, member in ipairs(order) do parts[i] = ('"%s"%s%s'):format(member[1], style[2], member[2]) end
        fn(harp.decode(ask(dispatcher, style[1] .. table.concat(parts, style[3]) .. style[4])[1]))
      end
    end

    it("with its members in any order, spacing and line end", function()
      local id
      each({
        { "harpcaller", "1" }, { "host", '"localhost"' }, { "procedure", '"sum"' }, { "arguments", "[2,3]" },
        { "timeout", "50" }, { "max_exec_time", "150.5" }, { "info", '{"a":[1]}' },
        { "queue", '{"concurrency":9,"name":{"test":"orders"}}' },
      }, function(reply) id = assert(reply.job_id, harp.encode(reply)) end)
      assert.same({ result = 5 }, outcome(id))
      local name = ('"%s"'):format(id)
      each({ { "harpcaller", "1" }, { "get_result", name }, { "wait", "true" } },
        function(reply) assert.same({ result = 5 }, reply) end)
      each({ { "harpcaller", "1" }, { "get_status", name } },
        function(reply) assert.equal("sum", reply.call.procedure) end)
      each({ { "harpcaller", "1" }, { "cancel", name } },
        function(reply) assert.same({ cancelled = false }, reply) end)
      for _, operation in ipairs{ "follow_stream", "read_stream" } do
        for _, from in ipairs{ "since", "recent" } do
          each({ { "harpcaller", "1" }, { operation, name }, { from, "0" } },
            function(reply) assert.same({ result = 5 }, reply) end)
        end
      end
    end)
  end)

  describe("passes values through to the digit", function()
    local values = {
      "9007199254740993", "1.0", "1", "-0.0", "1e-7", "9223372036854775807", [["\u0000"]], [["😀"]], "[]", "{}",
      "[null]", "18446744073709551616", "1" .. ("0"):rep(40), "1E+2", [["\u00e9\/"]], [[ { "b" : 1 , "a" : [ ] } ]],
    }
    for _, text in ipairs(values) do
      it("in its status: " .. text, function()
        local line = ('{"harpcaller":1,"host":"localhost","procedure":"echo","arguments":[%s],"info":%s}\r\n'):format(
          text, text)
        local id = harp.decode(ask(dispatcher, line)[1]).job_id
        local reply = ask(dispatcher, ('{"harpcaller":1,"get_status":"%s"}\n'):format(id))[1]
        assert.truthy(reply:find('"arguments":[' .. text .. "]", 1, true), reply)
        assert.truthy(reply:find('"info":' .. text:match "^%s*(.-)%s*$" .. "}", 1, true), reply)
      end)
    end
  end)

  describe("streams packets", function()
    it("to a follower as they come, each once, in order, and then the outcome", function()
      local id = submit("count", { 20, 0.01 })
      local _, lines = request{ follow_stream = id, since = 0 }
      assert.equal(21, #lines)
      for i = 1, 20 do assert.same({ packet = i - 1, data = { i = i } }, lines[i]) end
      assert.same({ result = { msg = "end" } }, lines[21])
    end)

    it("again from any number on, or the recent ones", function()
      local id = submit("count", { 600 })
      outcome(id)
      local function numbers(fields)
        local _, lines = request(fields)
        assert.truthy(table.remove(lines).result)
        return lines[1] and lines[1].packet, #lines
      end
      for _, operation in ipairs{ "read_stream", "follow_stream" } do
        assert.same({ 0, 600 }, { numbers{ [operation] = id, since = 0 } })
        assert.same({ 597, 3 }, { numbers{ [operation] = id, since = 597 } })
        assert.same({ 590, 10 }, { numbers{ [operation] = id, recent = 10 } })
        assert.same({ 0, 600 }, { numbers{ [operation] = id, recent = 1000 } })
        assert.same({ nil, 0 }, { numbers{ [operation] = id, since = 600 } })
      end
      assert.same({ 0, 600 }, { numbers{ read_stream = id } })
      assert.same({ nil, 0 }, { numbers{ follow_stream = id } })
    end)

    it("that are still to come, when nothing else is asked for", function()
      local id, there = submit("count", { 100000, 0.01 }), nil
      eventually(function()
        there = #select(2, request{ read_stream = id }) - 1
        return there > 2
      end)
      local follower = harness.connect(dispatcher)
      follower:send(('{"harpcaller":1,"follow_stream":"%s"}\n'):format(id))
      local first = harp.decode(assert(follower:receive "*l")).packet
      assert.is_true(first >= there)
      request{ cancel = id }
      local lines = harness.lines(follower)
      assert.equal('{"cancelled":true}', table.remove(lines))
      for i, line in ipairs(lines) do assert.equal(first + i, harp.decode(line).packet) end
    end)

    it("that are there, and says so when more may come", function()
      local id = submit("count", { 1000, 0.2 })
      eventually(function()
        local _, lines = request{ read_stream = id }
        return #lines >= 2 and lines[#lines].continue == true
      end)
      request{ cancel = id }
    end)

    it("to many followers at once, of whom one reads nothing", function()
      local id = submit("count", { 2000 })
      local stalled = harness.connect(dispatcher)
      stalled:send(('{"harpcaller":1,"follow_stream":"%s","since":0}\n'):format(id))
      local connections = {}
      for i = 1, 20 do
        connections[i] = harness.connect(dispatcher)
        connections[i]:send(('{"harpcaller":1,"follow_stream":"%s","since":0}\n'):format(id))
      end
      for i = 1, 20 do
        local lines = harness.lines(connections[i])
        assert.equal(2001, #lines)
        assert.equal('{"packet":1999,"data":{"i":2000}}', lines[2000])
      end
      assert.equal(2001, #harness.lines(stalled))
    end)

    it("of a procedure that gives no result, then null", function()
      local _, lines = request{ follow_stream = submit "quiet", since = 0 }
      assert.same({ { packet = 0, data = 1 }, { result = harp.null } }, lines)
    end)
  end)

  describe("cancels", function()
    it("a running job, at once", function()
      local id = submit("sleep", { 100 })
      eventually(function() return status(id).time.start ~= harp.null end)
      assert.is_true(harness.seconds(function()
        assert.same({ cancelled = true }, request{ cancel = id })
        assert.same({ cancelled = true }, outcome(id))
      end) < harness.PATIENCE)
      assert.same({ cancelled = false }, request{ cancel = id })
      eventually(function() return daemon:children() == 0 end)
    end)

    it("a queued job, which then never starts", function()
      local queue = { queue = { name = { test = "cancel" }, concurrency = 1 } }
      local first, second = submit("sleep", { 100 }, queue), submit("sleep", { 100 }, queue)
      assert.same({ cancelled = true }, request{ cancel = second })
      local reply = status(second)
      assert.equal(harp.null, reply.time.start)
      assert.equal("integer", math.type(reply.time["end"]))
      assert.same({ cancelled = true }, outcome(second))
      assert.same({ cancelled = true }, request{ cancel = first })
    end)

    it("nothing that is unknown or has ended", function()
      assert.same({ cancelled = false }, request{ cancel = "no such job" })
      local id = submit("sum", { 1, 2 })
      outcome(id)
      assert.same({ cancelled = false }, request{ cancel = id })
      assert.same({ result = 3 }, outcome(id))
    end)
  end)

  describe("queues", function()
    it("are first in, first out, one at a time by default", function()
      local file, ids = os.tmpname(), {}
      for i = 1, 8 do
        ids[i] = submit("mark", { file, tostring(i) }, { queue = { name = { test = "fifo" } } })
      end
      for _, id in ipairs(ids) do outcome(id) end
      assert.equal("1\n2\n3\n4\n5\n6\n7\n8\n", harness.read(file))
      os.remove(file)
    end)

    it("let as many run as their first job said", function()
      local ids = {}
      for i = 1, 5 do
        ids[i] = submit("sleep", { 100 }, { queue = { name = { test = "width" }, concurrency = i == 1 and 2 or 5 } })
      end
      for i = 2, 4 do
        eventually(function() return status(ids[i]).time.start ~= harp.null end)
        assert.equal(harp.null, status(ids[i + 1]).time.start)
        request{ cancel = ids[i - 1] }
      end
      for i = 4, 5 do request{ cancel = ids[i] } end
    end)

    it("have the same name whatever the order of its members", function()
      local first = submit("sleep", { 100 }, { queue = harp.decode '{"name":{"a":{"x":1,"y":[1,"\\u0062"]},"b":2}}' })
      local second = submit("sum", { 1, 1 }, { queue = harp.decode '{"name":{"b":2,"a":{"y":[ 1,"b"],"x":1}}}' })
      local other = submit("sum", { 1, 1 }, { queue = harp.decode '{"name":{"b":2,"a":{"y":[1,"b"],"x":2}}}' })
      assert.same({ result = 2 }, outcome(other))
      assert.equal(harp.null, status(second).time.start)
      request{ cancel = first }
      assert.same({ result = 2 }, outcome(second))
    end)
  end)

  describe("limits", function()
    it("the silence of a job", function()
      local id = submit("sleep", { 100 }, { timeout = 0.2 })
      assert.same({ error = { type = "timeout", message = "reading result timed out" } }, outcome(id))
      -- (one that a busy machine delays is timed out, and does not count)
      eventually(function() return outcome(submit("count", { 5, 0.3 }, { timeout = 1.2 })).result end)
    end)

    it("its whole run", function()
      local id = submit("count", { 1000, 0.05 }, { timeout = 10, max_exec_time = 0.3 })
      assert.same({ error = { type = "timeout", message = "maximum execution time exceeded" } }, outcome(id))
      eventually(function() return daemon:children() == 0 end)
    end)

    it("but not the time in a queue", function()
      local queue = { queue = { name = { test = "limits" } }, max_exec_time = 1.9 }
      eventually(function()
        submit("sleep", { 1 }, queue)
        return outcome(submit("sleep", { 1 }, queue)).result == "slept"
      end)
    end)
  end)

  describe("answers a malformed request with an error, and stays up:", function()
    local id = "00000000-0000-4000-8000-000000000000"
    local malformed = {
      parse_error = {
        "", "   ", "x", "{", '{"harpcaller":1', "{]", '{"a":"\xff"}', '{"a":"\\ud800"}', "{'a':1}", "\0",
      },
      invalid_request = {
        "[]", "1", '"x"', "null", "{}", '{"harpcaller":1}', '{"cancel":"x"}', '{"harpcaller":2,"cancel":"x"}',
        '{"harpcaller":1.0,"cancel":"x"}', '{"harpcaller":"1","cancel":"x"}', '{"harpcaller":1,"cancel":1}',
        '{"harpcaller":1,"cancel":"x","cancel":"x"}', '{"harpcaller":1,"cancel":"x","extra":1}',
        '{"harpcaller":1,"cancel":"x","get_status":"x"}', '{"harpcaller":1,"cancel":"a\\u0000b"}',
        '{"harpcaller":1,"get_result":"x","wait":1}', '{"harpcaller":1,"get_result":"x","wait":null}',
        '{"harpcaller":1,"follow_stream":"x","since":-1}', '{"harpcaller":1,"follow_stream":"x","since":1.5}',
        '{"harpcaller":1,"follow_stream":"x","since":99999999999999999999}',
        '{"harpcaller":1,"follow_stream":"x","since":1,"recent":1}', '{"harpcaller":1,"read_stream":"x","wait":true}',
        '{"harpcaller":1,"procedure":"p","arguments":[]}', '{"harpcaller":1,"host":"h","arguments":[]}',
        '{"harpcaller":1,"host":"h","procedure":"p"}', '{"harpcaller":1,"host":"h","procedure":"p","arguments":1}',
        '{"harpcaller":1,"host":1,"procedure":"p","arguments":[]}',
        '{"harpcaller":1,"host":"h","procedure":"p","arguments":[],"timeout":0}',
        '{"harpcaller":1,"host":"h","procedure":"p","arguments":[],"timeout":"1"}',
        '{"harpcaller":1,"host":"h","procedure":"p","arguments":[],"timeout":1e999}',
        '{"harpcaller":1,"host":"h","procedure":"p","arguments":[],"max_exec_time":-1}',
        '{"harpcaller":1,"host":"h","procedure":"p","arguments":[],"queue":"q"}',
        '{"harpcaller":1,"host":"h","procedure":"p","arguments":[],"queue":{}}',
        '{"harpcaller":1,"host":"h","procedure":"p","arguments":[],"queue":{"name":[]}}',
        '{"harpcaller":1,"host":"h","procedure":"p","arguments":[],"queue":{"name":{},"concurrency":0}}',
        '{"harpcaller":1,"host":"h","procedure":"p","arguments":[],"queue":{"name":{"a":1,"a":2}}}',
        '{"harpcaller":1,"host":"h","procedure":"p","arguments":[],"queue":{"name":{},"x":1}}',
      },
      invalid_jobid = {
        ('{"harpcaller":1,"get_result":"%s"}'):format(id), ('{"harpcaller":1,"get_status":"%s"}'):format(id),
        ('{"harpcaller":1,"follow_stream":"%s"}'):format(id), ('{"harpcaller":1,"read_stream":"%s"}'):format(id),
        '{"harpcaller":1,"get_status":""}', ('{"harpcaller":1,"get_status":"%s"}'):format(("x"):rep(1000)),
      },
    }
    for kind, list in pairs(malformed) do
      for _, text in ipairs(list) do
        it(("%s for %q"):format(kind, text:sub(1, 90)), function()
          local lines, closed = ask(dispatcher, text .. "\n")
          assert.equal(1, #lines)
          local reply = harp.decode(lines[1])
          assert.equal(kind, reply.error.type)
          assert.equal("string", type(reply.error.message))
          assert.is_true(closed)
        end)
      end
    end

    it("all of them byte by byte as well", function()
      for kind, list in pairs(malformed) do
        for _, text in ipairs(list) do
          local connection = harness.connect(dispatcher)
          connection:setoption("tcp-nodelay", true)
          for i = 1, #text do connection:send(text:sub(i, i)) end
          connection:send "\n"
          local lines, closed = harness.lines(connection)
          assert.same({ 1, kind, true }, { #lines, harp.decode(lines[1]).error.type, closed }, text)
          connection:close()
        end
      end
    end)

    it("a line over 1 MiB, even when it never ends", function()
      local connection = harness.connect(dispatcher)
      connection:send('{"harpcaller":1,"get_status":"' .. ("x"):rep(1100000))
      local lines = harness.lines(connection)
      assert.truthy(lines[1]:find "invalid_request" and lines[1]:find "1 MiB")
    end)

    it("a line over 1 MiB by a little", function()
      for _, length in ipairs{ 1048576, 1048577, 1048700 } do
        local text = '{"harpcaller":1,"get_status":"' .. ("x"):rep(length - 32) .. '"}\n'
        local expected = length > 1048576 and "1 MiB" or "invalid_jobid"
        assert.truthy(ask(dispatcher, text)[1]:find(expected))
      end
    end)

    it("deep nesting", function()
      local text = '{"harpcaller":1,"host":"h","procedure":"p","arguments":'
        .. ("["):rep(5000) .. ("]"):rep(5000) .. "}\n"
      assert.truthy(ask(dispatcher, text)[1]:find "nested too deeply")
    end)

    it("half a line and a hang-up, nothing and a hang-up", function()
      for _, text in ipairs{ '{"harpcaller":1,', "" } do
        local connection = harness.connect(dispatcher)
        connection:send(text)
        connection:close()
      end
      assert.same({ result = 3 }, outcome(submit("sum", { 1, 2 })))
    end)
  end)

  it("takes a request byte by byte, with CRLF and spaces, and ignores what follows it", function()
    local connection = harness.connect(dispatcher)
    connection:setoption("tcp-nodelay", true)
    local text = '  { "wait" : false , "get_result" : "none" , "harpcaller" : 1 } \r\n'
    for i = 1, #text do connection:send(text:sub(i, i)) end
    assert.truthy(harness.lines(connection)[1]:find "invalid_jobid")
    connection = harness.connect(dispatcher)
    connection:send('{"harpcaller":1,"cancel":"x"}\n' .. ("garbage\n"):rep(10000))
    assert.same({ '{"cancelled":false}' }, harness.lines(connection))
  end)

  it("lets a client take its time to read a long reply", function()
    local id = submit("text", { 20000000 })
    outcome(id)
    local connection = harness.connect(dispatcher)
    connection:send(('{"harpcaller":1,"get_result":"%s"}\n'):format(id))
    socket.sleep(2.2)
    assert.equal(#'{"result":""}' + 20000000, #harness.lines(connection)[1])
  end)

  it("leaks neither descriptors nor children, whatever its clients did", function()
    eventually(function() return daemon:children() == 0 end)
    eventually(function() return dispatcher:descriptors() < 17 end)
    local before = dispatcher:descriptors()
    local id = submit("sleep", { 100 })
    for _ = 1, 20 do
      local connection = harness.connect(dispatcher)
      connection:send(('{"harpcaller":1,"follow_stream":"%s","since":0}\n'):format(id))
      connection:close()
    end
    request{ cancel = id }
    eventually(function() return dispatcher:descriptors() <= before end)
  end)

  it("lets clients wait when it has no descriptors for more", function()
    local small = harness.dispatcher{ daemon = daemon, before = "ulimit -n 64;" }
    local connections = {}
    for i = 1, 150 do connections[i] = harness.connect(small) end
    for _, connection in ipairs(connections) do
      assert(connection:send '{"harpcaller":1,"cancel":"x"}\n')
      assert.same({ '{"cancelled":false}' }, harness.lines(connection))
      connection:close()
    end
    small:stop()
  end)

  describe("refuses a database", function()
    local function complaint(path)
      local config = harness.write(dispatcher.directory .. "/other.lua", ("database = %q"):format(path))
      local _, errors, code = harness.harp("dispatcher --config " .. config)
      assert.equal(1, code)
      assert.truthy(errors:find(path, 1, true))
      return errors
    end

    -- The same database, with another user_version in its header.
    local function versioned(bytes)
      local path = dispatcher.directory .. "/other.db"
      local one = harness.dispatcher{ daemon = daemon }
      submit("sum", { 1, 2 }, nil, one)
      one:stop()
      local text = harness.read(one.directory .. "/dispatcher.db")
      return harness.write(path, text:sub(1, 60) .. bytes .. text:sub(65))
    end

    it("that another one uses", function()
      assert.truthy(complaint(dispatcher.directory .. "/dispatcher.db"):find "another dispatcher uses this database")
    end)

    it("of another version, or of another program", function()
      assert.truthy(complaint(versioned "\0\0\0\7"):find "another version of harp.*schema 7")
      assert.truthy(complaint(versioned "\0\0\0\0"):find "another program")
    end)

    it("that is none", function()
      local path = harness.write(dispatcher.directory .. "/none.db", ("noise"):rep(1000))
      assert.truthy(complaint(path):find "not a database")
      assert.truthy(complaint("/nowhere/at/all.db"):find "unable to open")
    end)
  end)

  it("keeps its database from other users", function()
    local listing = harness.shell("ls -l " .. dispatcher.directory .. "/dispatcher.db*")
    for mode in listing:gmatch "(%S+)[^\n]*\n" do assert.equal("-rw-------", mode) end
  end)

  it("with a full disk takes no job, loses none, and goes on when there is space", function()
    local directory = harness.directory()
    local at, gate = directory .. "/control", harness.write(directory .. "/gate", "")
    local full = harness.dispatcher{ daemon = daemon, settings = ("control = 'unix:%s'"):format(at) }
    local operator = unix.stream and unix.stream() or unix()
    assert(operator:connect(at))
    operator:settimeout(harness.PATIENCE)
    local function most(bytes) harness.shell(("prlimit --pid %s --fsize=%s:"):format(full.pid, bytes)) end
    local queue = { queue = { name = { test = "full" } } }
    local running = submit("shell", { harness.until_in(gate, "open") }, queue, full)
    local queued = submit("sum", { 1, 2 }, queue, full)
    local cancelled, cut = submit("sleep", { 100 }, nil, full), submit("count", { 100000, 0.01 }, nil, full)
    eventually(function() return status(cut, full).time.start ~= harp.null end)
    most(1)
    local reply = request({ host = "localhost", procedure = "sum", arguments = harp.array{} }, full)
    assert.equal("system_error", reply.error.type)
    assert.equal("system_error", request({ cancel = cancelled }, full).error.type)
    harness.write(gate, "open")
    eventually(function()     -- they have ended, as far as that can be
      assert(operator:send '{"status":true}\n')
      return harp.decode(assert(operator:receive "*l")).status.jobs.ending == 3
    end)
    assert.same({ no_result = true }, request({ get_result = running, wait = false }, full))
    assert.equal("sum", status(queued, full).call.procedure)
    most "unlimited"
    assert.same({ result = harp.null }, outcome(running, full))
    assert.same({ result = 3 }, outcome(queued, full))
    assert.same({ cancelled = true }, outcome(cancelled, full))
    assert.equal("system_error", outcome(cut, full).error.type)
    full:stop()
    operator:close()
  end)

  describe("killed with -9", function()
    local mortal

    setup(function() mortal = harness.dispatcher{ daemon = daemon } end)

    it("has every job, result and packet that it told of", function()
      local done = submit("count", { 50 }, nil, mortal)
      local _, before = request({ follow_stream = done, since = 0 }, mortal)
      local last = submit("sum", { 1, 2 }, nil, mortal)
      mortal:stop "KILL"
      mortal:restart()
      local _, after = request({ read_stream = done }, mortal)
      assert.same(before, after)
      assert.equal("sum", status(last, mortal).call.procedure)
    end)

    it("runs what was queued, and does not run again what was running", function()
      local file = os.tmpname()
      local queue = { queue = { name = { test = "crash" }, concurrency = 1 } }
      local running = submit("count", { 100000, 0.02 }, queue, mortal)
      local queued = {}
      for i = 1, 3 do queued[i] = submit("mark", { file, "queued " .. i }, queue, mortal) end
      eventually(function() return #select(2, request({ read_stream = running }, mortal)) > 3 end)
      mortal:stop "KILL"
      mortal:restart()
      assert.same({ error = { type = "missing_result", message = "job interrupted abruptly" } },
        outcome(running, mortal))
      local _, packets = request({ read_stream = running }, mortal)
      assert.is_true(#packets > 3)
      for _, id in ipairs(queued) do assert.truthy(outcome(id, mortal).result) end
      assert.equal("queued 1\nqueued 2\nqueued 3\n", harness.read(file))
      os.remove(file)
      eventually(function() return daemon:children() == 0 end)
    end)

    it("keeps the concurrency of a queue, not that of the job which is now its first", function()
      local function queued(n) return { queue = { name = { test = "width after" }, concurrency = n } } end
      local ids = {}
      for i, n in ipairs{ 1, 5, 5 } do ids[i] = submit("sleep", { 100 }, queued(n), mortal) end
      mortal:stop "KILL"
      mortal:restart()
      eventually(function() return status(ids[2], mortal).time.start ~= harp.null end)
      assert.equal(harp.null, status(ids[3], mortal).time.start)
      for _, id in ipairs(ids) do request({ cancel = id }, mortal) end
    end)

    it("has a job whose id was sent the very moment before", function()
      for _ = 1, 5 do
        local id = submit("sleep", { 100 }, nil, mortal)
        mortal:stop "KILL"
        mortal:restart()
        assert.equal("sleep", status(id, mortal).call.procedure)
        assert.truthy(request({ cancel = id }, mortal).cancelled ~= nil)
      end
    end)
  end)

  it("told to stop again and again ends as well", function()
    local stopping = harness.dispatcher{ daemon = daemon, settings = "grace = 100" }
    submit("sleep", { 100 }, nil, stopping)
    os.execute(("( while kill -INT %s; do :; done 2>/dev/null ) &"):format(stopping.pid))
    assert.equal(0, stopping:stop())
  end)
end)
