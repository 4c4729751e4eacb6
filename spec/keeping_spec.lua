-- What the dispatcher keeps: to the end of the process, for how long, how much
-- of it, and on a disk that fails.

local harness = require "spec.support.harness"
local harp = require "harp"
local socket = require "socket"

local ask, eventually = harness.ask, harness.eventually

describe("the dispatcher", function()
  local daemon, dispatcher

  setup(function() daemon = harness.daemon() end)
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

  local function signal(name) os.execute(("kill -%s %s"):format(name or "TERM", dispatcher.pid)) end

  local function seconds_to_stop(name)
    local from = socket.gettime()
    assert.equal(0, dispatcher:stop(name))
    return socket.gettime() - from
  end

  describe("told to stop", function()
    local queue = { queue = { name = { test = "stop" } } }

    it("lets what runs end, serves those who wait, and takes no call", function()
      start()
      local running, queued = submit_running("count", { 5, 0.1 }, queue), submit("sum", { 1, 2 }, queue)
      local open = begin{ tag = 1, get_status = running }
      assert.truthy(open:receive "*l":find '"tag":1')
      local follower, waiter = begin{ follow_stream = running, since = 0 }, begin{ get_result = running, wait = true }
      signal()
      socket.sleep(0.05)
      assert.is_nil(socket.connect("127.0.0.1", dispatcher.port))
      assert(open:send '{"harpcaller":1,"tag":2,"host":"localhost","procedure":"sum","arguments":[1,2]}\n')
      assert.equal("shutdown", harp.decode(open:receive "*l").error.type)
      assert(open:send(('{"harpcaller":1,"tag":3,"get_status":"%s"}\n'):format(queued)))
      assert.equal("sum", harp.decode(open:receive "*l").call.procedure)
      local result, lines = last(follower)
      assert.same({ result = { msg = "end" } }, result)
      assert.equal(6, #lines)
      assert.same(result, last(waiter))
      open:close()
      assert.is_true(seconds_to_stop "CONT" < 2)
      dispatcher:restart()
      assert.same({ result = { msg = "end" } }, outcome(running))
      assert.same({ result = 3 }, outcome(queued))
    end)

    it("ends what outlasts the grace with `shutdown`, and tells everyone", function()
      start "grace = 0.2"
      local running, queued = submit_running("count", { 1000, 0.01 }, queue), submit("sum", { 1, 2 }, queue)
      local follower, waiter = begin{ follow_stream = running, since = 0 }, begin{ get_result = running, wait = true }
      local other = begin{ get_result = queued, wait = true }
      socket.sleep(0.05)
      signal()
      local shutdown, lines = last(follower)
      assert.equal("shutdown", shutdown.error.type)
      for i = 1, #lines - 1 do assert.equal(i - 1, harp.decode(lines[i]).packet) end
      assert.same(shutdown, last(waiter))
      assert.is_nil(last(other))        -- its job has no outcome yet
      assert.is_true(seconds_to_stop "CONT" < 2)
      dispatcher:restart()
      assert.same(shutdown, outcome(running))
      assert.equal(#lines, #select(2, request{ read_stream = running }))
      assert.same({ result = 3 }, outcome(queued))
    end)

    it("a second time ends the grace", function()
      start "grace = 100"
      local running = submit_running("sleep", { 100 })
      signal()
      socket.sleep(0.05)
      assert.is_true(seconds_to_stop() < 2)
      dispatcher:restart()
      assert.equal("shutdown", outcome(running).error.type)
    end)

    it("by the end of its lifeline gives no grace", function()
      start("lifeline = true", "sleep 0.3 |")
      local running = submit_running("sleep", { 100 })
      assert.equal("shutdown", outcome(running).error.type)
      assert.equal("", dispatcher.pipe:read "a")        -- it is gone
    end)

    it("does not wait for those who do not read", function()
      start "grace = 0"
      local id = submit("count", { 20000 })
      outcome(id)
      local deaf = begin{ follow_stream = id, since = 0 }
      socket.sleep(0.1)
      assert.is_true(seconds_to_stop() < 3)
      deaf:close()
    end)
  end)
end)
