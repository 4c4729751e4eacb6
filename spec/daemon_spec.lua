-- The daemon as the wire shows it (protocol §2).

local harness = require "spec.support.harness"
local harp = require "harp"

local eventually = harness.eventually

describe("the daemon", function()
  local daemon

  setup(function() daemon = harness.daemon() end)
  teardown(harness.clean_up)

  local function line(procedure, arguments, auth)
    return ('{"harp":1,"procedure":%q,"arguments":%s,"auth":%s}\n'):format(
      procedure, arguments or "[]", auth or '{"user":"tester","password":"secret"}')
  end

  local function call(...) return harness.ask_tls(daemon, line(...)) end

  it("answers a call with exactly the members that stock dispatchers take", function()
    assert.same({ '{"harp":1,"stream_result":false}', '{"result":5}' }, call("sum", "[2,3]"))
    assert.same({ '{"harp":1,"stream_result":true}', '{"stream":{"i":1}}', '{"stream":{"i":2}}',
      '{"result":{"msg":"end"}}' }, call("count", "[2]"))
    assert.same({ '{"harp":1,"stream_result":true}', '{"stream":1}', '{"result":null}' }, call "quiet")
  end)

  it("matches named arguments to parameters", function()
    assert.equal('{"result":5}', call("sum", '{"b":2,"a":3}')[2])
    assert.truthy(call("sum", '{"a":1,"c":2}')[1]:find 'invalid_argument_list.*sum%(a, b%) has no parameter')
  end)

  it("refuses too many arguments, and takes any number where there is `...`", function()
    local answer = harp.decode(call("sum", "[1,2,3]")[1])
    assert.same({ type = "invalid_argument_list", message = "sum(a, b) takes 2 arguments, got 3" }, answer.error)
    assert.equal('{"result":[1,null,[]]}', call("all", "[1,null,[]]")[2])
  end)

  it("tells of what a procedure raised: type, message, traceback", function()
    local answer = harp.decode(call("boom", '["no luck"]')[2]).exception
    assert.equal("LuaError", answer.type)
    assert.truthy(answer.message:find "procedures.lua:%d+: no luck$")
    assert.truthy(answer.data.traceback:find "stack traceback")
    answer = harp.decode(call("fail")[2]).exception
    assert.same({ "paper", "out of paper", 2 }, { answer.type, answer.message, answer.data.tray })
    assert.truthy(answer.data.traceback)
  end)

  it("says where in a result is what JSON cannot carry", function()
    local lines = call "bad"
    assert.equal('{"harp":1,"stream_result":false}', lines[1])
    assert.same({ type = "invalid_message", message = "value cannot be JSON: a function" },
      harp.decode(lines[2]).error)
  end)

  it("asks who calls before it looks for what", function()
    for _, auth in ipairs{ '{"user":"tester","password":"wrong"}', '{"user":"nobody","password":"secret"}',
      '{"user":"","password":""}' } do
      for _, procedure in ipairs{ "sum", "no_such" } do
        assert.same({ '{"harp":1,"error":{"type":"auth_error","message":"wrong user or password"}}' },
          (call(procedure, "[]", auth)))
      end
    end
    assert.truthy(call("no_such")[1]:find '"no_such_procedure"')
    assert.is_nil(harness.read(daemon.log):find("secret", 1, true))
    assert.is_nil(harness.read(daemon.log):find("wrong\"", 1, true))
  end)

  it("takes users from a password file, and hashes in the configuration", function()
    local hash = "$6$saltsalt$" .. harness.shell(
      "openssl passwd -6 -salt saltsalt hunter2"):match "%$6%$saltsalt%$(%S+)"
    local file = harness.write(harness.directory() .. "/passwd", "# people\n\nanna:" .. hash .. "\n")
    local other = harness.daemon{ settings = ('password_file = %q\nusers.bert = %q'):format(file, hash) }
    local function try(user, password)
      return harness.ask_tls(other, line("sum", "[1,1]",
        ('{"user":%q,"password":%q}'):format(user, password)))[1]
    end
    assert.equal('{"harp":1,"stream_result":false}', try("anna", "hunter2"))
    assert.equal('{"harp":1,"stream_result":false}', try("bert", "hunter2"))
    assert.truthy(try("anna", "hunter3"):find "auth_error")
    assert.truthy(try("anna", hash):find "auth_error")
    other:stop()
  end)

  describe("answers a malformed request with an error, and stays up:", function()
    local malformed = {
      parse_error = { "", "x", "{", '{"harp":1', '{"harp":1,"a":"\xff"}' },
      invalid_protocol = { "{}", '{"harp":2}', '{"harpcaller":1}' },
      invalid_request = {
        "[]", "1", '{"harp":1}', '{"harp":1,"procedure":"p","arguments":[]}',
        '{"harp":1,"procedure":1,"arguments":[],"auth":{"user":"u","password":"p"}}',
        '{"harp":1,"procedure":"p","arguments":1,"auth":{"user":"u","password":"p"}}',
        '{"harp":1,"procedure":"p","arguments":[],"auth":{"user":"u"}}',
        '{"harp":1,"procedure":"p","arguments":[],"auth":[]}',
        '{"harp":1,"procedure":"a\\u0000b","arguments":[],"auth":{"user":"u","password":"p"}}',
      },
    }
    for kind, list in pairs(malformed) do
      for _, text in ipairs(list) do
        it(("%s for %q"):format(kind, text:sub(1, 80)), function()
          local lines, closed = harness.ask_tls(daemon, text .. "\n")
          assert.equal(1, #lines)
          assert.equal(kind, harp.decode(lines[1]).error.type)
          assert.is_true(closed)
        end)
      end
    end

    it("a line over 1 MiB", function()
      assert.truthy(harness.ask_tls(daemon, ("x"):rep((1 << 20) + 1))[1]:find "invalid_request")
    end)

    it("callers that speak no TLS, or hang up at any point", function()
      local _, closed = harness.ask(daemon, "GET / HTTP/1.0\r\n\r\n")
      assert.is_true(closed)
      harness.connect(daemon):close()
      local half = harness.connect_tls(daemon)
      half:send '{"harp":1,'
      half:close()
      assert.same({ '{"harp":1,"stream_result":false}', '{"result":5}' }, call("sum", "[2,3]"))
    end)
  end)

  it("lets nobody wait for a silent caller", function()
    local silent = {}
    for i = 1, 20 do silent[i] = harness.connect(daemon) end
    assert.equal('{"result":5}', call("sum", "[2,3]")[2])
    assert.is_true(harness.is_waiting(silent[20]))
    for _, connection in ipairs(silent) do connection:close() end
  end)

  it("stops the procedure, and what that started, when the caller hangs up", function()
    local connection = harness.connect_tls(daemon)
    local command, runs = harness.sleeper()
    connection:send(line("shell", ('["%s"]'):format(command)))
    assert.equal('{"harp":1,"stream_result":false}', (connection:receive "*l"))
    eventually(runs)
    connection:close()
    eventually(function() return not runs() end)
    eventually(function() return daemon:children() == 0 end)
  end)

  it("leaves nothing behind of what a procedure started in the background", function()
    local command, runs = harness.sleeper()
    call("shell", ('["%s &"]'):format(command))
    eventually(function() return not runs() end)
  end)

  it("refuses callers beyond max_children, and says why", function()
    local narrow = harness.daemon{ settings = "max_children = 1" }
    local first = harness.connect_tls(narrow)
    local gate = harness.write(harness.directory() .. "/gate", "")
    first:send(line("shell", harp.encode{ harness.until_in(gate, "open") }))
    assert.equal('{"harp":1,"stream_result":false}', (first:receive "*l"))
    assert.same({ '{"harp":1,"error":{"type":"too_many_calls","message":'
      .. '"more than 1 calls at once (max_children)"}}' }, (harness.ask_tls(narrow, line("sum", "[1,1]"))))
    harness.write(gate, "open")
    assert.same({ '{"result":null}' }, (harness.lines(first)))
    first:close()
    eventually(function() return narrow:children() == 0 end)
    assert.equal('{"result":2}', harness.ask_tls(narrow, line("sum", "[1,1]"))[2])
    narrow:stop()
  end)

  it("has no zombies and no descriptors left after all this, and stops well", function()
    eventually(function() return daemon:children() == 0 end)
    local before = daemon:descriptors()
    for _ = 1, 50 do call("sum", "[1,1]") end
    eventually(function() return daemon:children() == 0 end)
    eventually(function() return daemon:descriptors() <= before end)
    assert.equal(0, daemon:stop())
  end)

  it("lets procedures call others, with what their file made when it was loaded", function()
    local inner, outer
    outer = harness.daemon{ procedures = [[
      local harp = require "harp"
      local early, last = harp.caller "127.0.0.1:1", nil
      procedure("call", function(port, pin, file)
        local opened <close> = assert(io.open(file, "w"))
        last = pcall(function() return early.x.y() end)
        local server = harp.server{ host = "127.0.0.1:" .. port, user = "tester", password = "secret", pin = pin }
        local sum = server.sum(2, 3)
        harp.sleep(0.01)
        assert(opened:write "whole")
        return { sum, last }
      end)]] }
    inner = harness.daemon()
    local file = harness.directory() .. "/file"
    local arguments = harp.encode{ inner.port, inner.pin, file }
    for _ = 1, 2 do
      assert.same({ '{"harp":1,"stream_result":false}', '{"result":[5,false]}' },
        (harness.ask_tls(outer, line("call", arguments))))
      assert.equal("whole", harness.read(file))
    end
    outer:stop()
    inner:stop()
  end)

  it("says what is wrong with a configuration", function()
    local directory = harness.directory()
    local certificate, key = harness.certificate(directory)
    local good = ('certificate=%q key=%q users={a="b"} procedures={%q} listen="127.0.0.1:0"\n'):format(
      certificate, key, harness.write(directory .. "/p.lua", "procedure('p', function() end)"))
    local function try(text)
      local _, errors, code = harness.harp("daemon --config " .. harness.write(directory .. "/c.lua", text))
      assert.equal(1, code)
      return errors
    end
    assert.truthy(try "x = ":find "c.lua:1:")
    assert.truthy(try(good .. "lisen = 1"):find "lisen: nobody knows this setting")
    assert.truthy(try(good .. "listen = 1"):find "listen: must be a table")
    assert.truthy(try(good .. "listen = { 1 }"):find "listen: must be an address or a list of addresses")
    assert.truthy(try(good .. "listen = 'here:x'"):find "bad address")
    assert.truthy(try(good .. "users = {}"):find "nobody could call")
    assert.truthy(try(good .. "procedures = {}"):find "nothing to call")
    assert.truthy(try(good .. "procedures = {'/no/such'}"):find "/no/such")
    assert.truthy(try(good .. "key = '/no/such'"):find "cannot use /no/such")
    local twice = harness.write(directory .. "/twice.lua", "procedure('p', print) procedure('p', print)")
    assert.truthy(try(good .. ("procedures = {%q}"):format(twice)):find "registered before")
    local option = harness.write(directory .. "/option.lua", "procedure('p', {colour = 1}, print)")
    assert.truthy(try(good .. ("procedures = {%q}"):format(option)):find 'no option "colour"')
  end)
end)
