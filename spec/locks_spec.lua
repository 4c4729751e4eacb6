-- Locks of procedures: who runs at the same time, and who waits.

local harness = require "spec.support.harness"
local harp = require "harp"
local socket = require "socket"

local eventually = harness.eventually

describe("a lock", function()
  local daemon, journal

  setup(function()
    journal = harness.directory() .. "/journal"
    daemon = harness.daemon{ procedures = ([[
      local harp = require "harp"
      local function note(text)
        local file = io.open(%q, "a")
        file:write(text, "\n")
        file:close()
      end
      local function work(name, seconds)
        note("begin " .. name)
        harp.sleep(seconds)
        note("end " .. name)
        return name
      end
      procedure("alone", { lock = true }, work)
      procedure("pair", { lock = { "two", 2 } }, work)
      procedure("other", { lock = { "two", 2 } }, work)
      procedure("hasty", { lock = { "alone", wait = false } }, work)
      procedure("crash", { lock = "alone" }, function(name, _)
        note("begin " .. name)
        os.execute "kill -9 $PPID"
      end)
      procedure("freeze", { lock = "alone", timeout = 1 }, function(_, _)
        os.execute "kill -STOP $PPID"
      end)]]):format(journal) }
  end)

  before_each(function() harness.write(journal, "") end)
  teardown(harness.clean_up)

  local function begin(procedure, name, seconds)
    local connection = harness.connect_tls(daemon)
    connection:send(('{"harp":1,"procedure":%q,"arguments":[%q,%s],"auth":{"user":"tester","password":"secret"}}\n')
      :format(procedure, name, seconds or 0))
    return connection
  end

  -- The last line of the answer, decoded.
  local function finish(connection)
    local lines = harness.lines(connection)
    connection:close()
    return lines[1] and harp.decode(lines[#lines])
  end

  local function noted(text) return harness.read(journal):find(text .. "\n", 1, true) ~= nil end

  -- Begins one, and then others that find it running, in that order.
  local function begin_all(procedure, seconds, ...)
    local list = {}
    for i, name in ipairs{ ... } do
      list[i] = begin(procedure, name, seconds)
      if i == 1 then eventually(function() return noted("begin " .. name) end) end
      socket.sleep(0.05)
    end
    return list
  end

  it("lets one call after the other run, in the order that they came", function()
    for _, connection in ipairs(begin_all("alone", 0.3, "a", "b", "c")) do
      assert.truthy(finish(connection).result)
    end
    assert.equal("begin a\nend a\nbegin b\nend b\nbegin c\nend c\n", harness.read(journal))
  end)

  it("of two places lets two calls run, of whatever procedure has it", function()
    local calls = begin_all("pair", 0.6, "a", "b")
    calls[3] = begin("other", "c")
    eventually(function() return noted "begin b" end)
    assert.is_false(noted "begin c")
    for _, connection in ipairs(calls) do assert.truthy(finish(connection).result) end
    local text = harness.read(journal)
    assert.truthy(text:find "begin b.*end a.*begin c")
  end)

  it("that is not waited for refuses, and says why", function()
    local first = begin_all("alone", 0.3, "a")[1]
    local refused = finish(begin("hasty", "b")).error
    assert.equal("locked", refused.type)
    assert.truthy(refused.message:find "alone")
    assert.equal("a", finish(first).result)
    eventually(function() return finish(begin("hasty", "b")).result == "b" end)
  end)

  it("is free again when its call crashes, and when its caller hangs up", function()
    finish(begin("crash", "a"))
    assert.is_true(noted "begin a")
    local second = begin("alone", "b", 100)
    eventually(function() return noted "begin b" end)
    second:close()
    assert.equal("c", finish(begin("alone", "c")).result)
    assert.is_false(noted "end b")
  end)

  it("is not held by a call that stops its own process, which can heed no timeout", function()
    finish(begin("freeze", "a"))
    assert.equal("b", finish(begin("alone", "b")).result)
    local log = daemon:expect ' reason="by a signal; it is killed"\n'
    assert.truthy(log:find 'call_stopped from=127.0.0.1:%d+ reason="by a signal; it is killed"\n')
  end)

  it("is not held up by one who hung up while waiting", function()
    local calls = begin_all("alone", 0.4, "a", "b", "c")
    calls[2]:close()
    assert.equal("a", finish(calls[1]).result)
    assert.equal("c", finish(calls[3]).result)
    assert.is_false(noted "begin b")
  end)

  it("lasts over a reload", function()
    local calls = begin_all("alone", 0.5, "a")
    os.execute("kill -HUP " .. daemon.pid)
    daemon:expect "reloaded"
    calls[2] = begin("alone", "b")
    for _, connection in ipairs(calls) do assert.truthy(finish(connection).result) end
    assert.equal("begin a\nend a\nbegin b\nend b\n", harness.read(journal))
  end)

  it("leaves nothing behind", function()
    eventually(function() return daemon:children() == 0 end)
    assert.equal(0, daemon:stop())
  end)
end)
