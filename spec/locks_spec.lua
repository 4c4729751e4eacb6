-- Locks of procedures: who runs at the same time, and who waits.

local harness = require "spec.support.harness"
local harp = require "harp"

local eventually = harness.eventually

describe("a lock", function()
  local daemon, journal, gate, calls

  setup(function()
    local directory = harness.directory()
    journal, gate, calls = directory .. "/journal", directory .. "/gate", 0
    daemon = harness.daemon{ settings = "log_level = 'debug'", procedures = ([[
      local harp = require "harp"
      local function note(text)
        local file = io.open(%q, "a")
        file:write(text, "\n")
        file:close()
      end
      local function work(name, held)
        note("begin " .. name)
        while held and not io.open(%q) do harp.sleep(0.01) end
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
      end)]]):format(journal, gate) }
  end)

  before_each(function()
    harness.write(journal, "")
    os.remove(gate)
  end)

  teardown(harness.clean_up)

  -- `held`: until release().
  local function begin(procedure, name, held)
    local connection = harness.connect_tls(daemon)
    calls = calls + 1
    connection:send(('{"harp":1,"procedure":%q,"arguments":[%q,%s],"auth":{"user":"tester","password":"secret"}}\n')
      :format(procedure, name, held or false))
    return connection
  end

  local function release() harness.write(gate, "") end

  -- The last line of the answer, decoded.
  local function finish(connection)
    local lines = harness.lines(connection)
    connection:close()
    return lines[1] and harp.decode(lines[#lines])
  end

  local function noted(text) return harness.read(journal):find(text .. "\n", 1, true) ~= nil end

  local function await_begin(name) eventually(function() return noted("begin " .. name) end) end

  -- Until the last call has come to its lock, behind the line of its arguments,
  -- and sleeps there.
  local function await_wait()
    eventually(function()
      local _, begun = harness.read(daemon.log):gsub("arguments from=", "")
      local children = harness.read(("/proc/%s/task/%s/children"):format(daemon.pid, daemon.pid))
      return begun == calls and harness.read(("/proc/%s/stat"):format(children:match "(%d+) $")):find "%) S "
    end)
  end

  -- Begins one, and then others that find it running, in that order; all are held.
  local function begin_all(procedure, first, ...)
    local list = { begin(procedure, first, true) }
    await_begin(first)
    for _, name in ipairs{ ... } do
      list[#list + 1] = begin(procedure, name, true)
      await_wait()
    end
    return list
  end

  it("lets one call after the other run, in the order that they came", function()
    local list = begin_all("alone", "a", "b", "c")
    release()
    for _, connection in ipairs(list) do assert.truthy(finish(connection).result) end
    assert.equal("begin a\nend a\nbegin b\nend b\nbegin c\nend c\n", harness.read(journal))
  end)

  it("of two places lets two calls run, of whatever procedure has it", function()
    local list = begin_all("pair", "a", "b")
    await_begin "b"
    list[3] = begin("other", "c")
    await_wait()
    assert.is_false(noted "begin c")
    release()
    for _, connection in ipairs(list) do assert.truthy(finish(connection).result) end
    assert.truthy(harness.read(journal):find "begin b.*end [ab].*begin c")
  end)

  it("that is not waited for refuses, and says why", function()
    local first = begin_all("alone", "a")[1]
    local refused = finish(begin("hasty", "b")).error
    assert.equal("locked", refused.type)
    assert.truthy(refused.message:find "alone")
    release()
    assert.equal("a", finish(first).result)
    eventually(function() return finish(begin("hasty", "b")).result == "b" end)
  end)

  it("is free again when its call crashes, and when its caller hangs up", function()
    finish(begin("crash", "a"))
    assert.is_true(noted "begin a")
    local second = begin("alone", "b", true)
    await_begin "b"
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
    local list = begin_all("alone", "a", "b", "c")
    list[2]:close()
    eventually(function() return daemon:children() == 2 end)
    release()
    assert.equal("a", finish(list[1]).result)
    assert.equal("c", finish(list[3]).result)
    assert.is_false(noted "begin b")
  end)

  it("lasts over a reload", function()
    local list = begin_all("alone", "a")
    os.execute("kill -HUP " .. daemon.pid)
    daemon:expect "reloaded"
    list[2] = begin("alone", "b")
    await_wait()
    release()
    for _, connection in ipairs(list) do assert.truthy(finish(connection).result) end
    assert.equal("begin a\nend a\nbegin b\nend b\n", harness.read(journal))
  end)

  it("leaves nothing behind", function()
    eventually(function() return daemon:children() == 0 end)
    assert.equal(0, daemon:stop())
  end)
end)
