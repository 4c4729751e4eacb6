-- What goes over the wire, on standard error: --debug and HARP_DEBUG=1.

local certificates = require "spec.support.certificates"
local harness = require "spec.support.harness"

local function has(text, part) assert.truthy(text:find(part, 1, true), ("no %q in:\n%s"):format(part, text)) end
local function has_not(text, part) assert.falsy(text:find(part, 1, true), ("%q in:\n%s"):format(part, text)) end

describe("the trace", function()
  local directory, daemon, dispatcher, asking, files

  setup(function()
    directory = harness.directory()
    files = certificates.make(directory)
    daemon = harness.daemon()
    dispatcher = harness.dispatcher{ daemon = daemon }
    asking = harness.dispatcher{ daemon = daemon, settings = ([[
      listen = { { address = "127.0.0.1:0", tls = true, certificate = %q, key = %q, users = { me = "wolf&bear" } } }
    ]]):format(files.certificate, files.key) }
  end)

  teardown(harness.clean_up)

  -- Runs a script that has `harp`, `rpc` and `server`; returns the trace, and
  -- standard output.
  local function run(script, command)
    local file = harness.write(directory .. "/script.lua", ([[
      local harp = require "harp"
      local rpc = harp.caller %q
      local server = harp.server{ host = "127.0.0.1", port = %d, user = "tester", password = "secret", pin = %q }
      %s]]):format(dispatcher.address, daemon.port, daemon.pin, script))
    local errors = directory .. "/errors"
    local output, status = harness.shell(("%s %s 2>%s"):format(
      command or harness.program .. " --debug", file, errors))
    assert.equal(0, status, harness.read(errors))
    return harness.read(errors), output
  end

  -- Runs a script that calls `procedure` of a peer like spec/support/odd_daemon.lua.
  local function of_odd_peer(procedure)
    local peer = harness.peer("odd_daemon", { certificate = files.certificate, key = files.key,
      heard = directory .. "/heard" })
    local trace = run(("pcall(harp.server{ host = '127.0.0.1', port = %d, user = 'me', password = 'x', pin = %q }.%s)")
      :format(peer.port, files.pin, procedure))
    peer:stop()
    return trace
  end

  -- Calls through a dispatcher that answers with a line; returns the trace, and
  -- the dispatcher's address.
  local function of_peer(line)
    local peer = harness.serve("peer", "lua5.4 " .. harness.write(directory .. "/peer.lua", ([[
      package.path = "./?.lua;" .. package.path
      require "spec.support.relay".serve(function(client)
        client:receive "*l"
        client:send(%q .. "\n")
      end)]]):format(line)))
    local trace = run(("pcall(harp.caller{ host = %q, retry_for = 0 }.web01.sum, 1)"):format(peer.address))
    peer:stop()
    return trace, peer.address
  end

  describe("shows", function()
    it("hello, call and result of a dispatcher, with their tags", function()
      local trace = run "assert(rpc.localhost.sum(2, 3):get() == 5)"
      local name = dispatcher.address
      has(trace, (' → %s {"harpcaller":1,"get_status":"00000000-'):format(name))
      has(trace, '"extensions":["tag",')
      has(trace, (' → %s {"harpcaller":1,"host":"localhost","procedure":"sum","arguments":[2,3],"tag":1}\n')
        :format(name))
      has(trace, (' ← %s {"harpcaller":1,"job_id":"'):format(name))
      has(trace, ',"wait":true,"tag":2}\n')
      has(trace, (' ← %s {"result":5,"tag":2}\n'):format(name))
    end)

    it("a line for each, that begins with the time", function()
      local trace = run "rpc.localhost.sum(2, 3):get()"
      local count = 0
      for line in trace:gmatch "[^\n]+" do
        assert.truthy(line:find "^%d%d:%d%d:%d%d%.%d%d%d [^ ]+ 127%.0%.0%.1:%d+ {.*}$", line)
        count = count + 1
      end
      assert.equal(6, count)
    end)

    it("the packets of a follow", function()
      local trace = run "assert(#rpc.localhost.count(3):follow{ since = 0 }:all() == 3)"
      has(trace, '{"harpcaller":1,"follow_stream":"')
      for i = 1, 3 do has(trace, ('{"packet":%d,"data":{"i":%d}}\n'):format(i - 1, i)) end
      has(trace, '{"result":{"msg":"end"}')
    end)

    it("a call of a daemon", function()
      local trace = run "assert(server.sum(2, 3) == 5)"
      local name = "127.0.0.1:" .. daemon.port
      has(trace, (' → %s {"harp":1,"procedure":"sum","arguments":[2,3],"auth":{"user":"tester","password":"***"}}\n')
        :format(name))
      has(trace, (' ← %s {"harp":1,"stream_result":false}\n'):format(name))
      has(trace, (' ← %s {"result":5}\n'):format(name))
    end)

    it("nothing as sent that was not: nobody listens", function()
      assert.equal("", (run "pcall(function() harp.caller{ host = '127.0.0.1:1', retry_for = 0 }.web01.sum(1) end)"))
    end)

    it("values as they are, and nothing that a terminal would obey", function()
      local trace = run [[
        local text = "é\27[1m\n\"\194\155"
        local list = harp.array{ 1.5, -7, 1e300, true, false, harp.null, harp.array{}, harp.named{}, text }
        server.all(list, { harp.array{ harp.array{} } })]]
      has(trace, [=[[[1.5,-7,1.0e300,true,false,null,[],{},"é\u001B[1m\n\"?"],[[[]]]],"auth"]=])
      has_not(trace, "\27")
    end)

    it("some 400 bytes of a long line, and whole characters", function()
      for i = 0, 3 do
        local trace = run(("server.echo(('x'):rep(%d) .. ('é€'):rep(100000))"):format(i))
        local sent = trace:match "→ [^ ]+ ([^\n]*)\n"
        assert.truthy(#sent > 395 and #sent <= 403 and utf8.len(sent), sent)
        assert.equal("…", sent:sub(-3))
        local back = trace:match '← [^ ]+ ({"result"[^\n]*)\n'
        assert.truthy(#back > 395 and #back <= 403 and utf8.len(back), back)
      end
    end)

    it("an excerpt of what is no JSON", function()
      has(of_odd_peer "garbage", " 220 hello\n")
      has(of_odd_peer "garbage_after", " ??{{{\n")
      has(of_peer "HTTP/1.1 401 Unauthorized\r", " HTTP/1.1 401 Unauthorized\n")
    end)
  end)

  describe("does not show", function()
    it("anything, unless it is asked to", function()
      assert.equal("", (run("rpc.localhost.sum(2, 3):get() server.sum(1, 2)", harness.program)))
      assert.equal("", (run("server.sum(1, 2)", "HARP_DEBUG=0 " .. harness.program)))
    end)

    it("the password of a caller, whether it is right or wrong", function()
      local trace = run(([[
        local options = { host = "127.0.0.1", port = %d, tls = true, pin = %q, user = "me", password = "wolf&bear" }
        local rpc = harp.caller(options)
        rpc.localhost.sum(2, 3):get()
        rpc.localhost.count(3):follow{ since = 0 }:all()
        rpc:jobs():all()
        rpc:request{ get_status = "x" }
        options.password = "wolf&boar"
        pcall(function() harp.caller(options).localhost.sum(2, 3):get() end)]]):format(asking.port, files.pin))
      has(trace, '"auth":{"user":"me","password":"***"}')
      has(trace, '{"result":5,"tag":')
      has(trace, '"auth_error"')
      has(trace, '"list_jobs"')
      has_not(trace, "wolf")
    end)

    it("the password of a server, even if it answers with it", function()
      local trace = run "server.echo{ user = 'x', password = 'bear', note = 'fine' }"
      has(trace, '"password":"***"')
      has(trace, '"note":"fine"')
      has_not(trace, "bear")
      has_not(trace, '"secret"')
    end)

    it("what is named like a secret in arguments, however deep", function()
      local trace = run [[
        local hidden = { "bear", { deep = { "bear", harp.array{} } }, harp.null }
        rpc.localhost.all{ token = "bear", a = { b = harp.array{ { db_PassWord = hidden, kept = 7 } } } }:get()
        rpc.localhost.all({ auth = { user = "bear" } }, { private_key = 1234567, cookie = false }, "last"):get()
        rpc.localhost.all{ ["pa\0ss"] = "odd", ["api-key\n"] = "bear" }:get()]]
      has(trace, '"token":"***"')
      has(trace, '"db_PassWord":"***"')
      has(trace, '"kept":7')
      has(trace, '"auth":"***"')
      has(trace, '"private_key":"***"')
      has(trace, '"cookie":"***"')
      has(trace, '"last"]')
      has(trace, '"odd"')
      has_not(trace, "bear")
      has_not(trace, "1234567")
    end)

    it("a secret of JSON that is broken", function()
      for _, text in ipairs{ '{"auth":{"password":"bear"},,}', '"password":"bear"}', '{"auth":{"user":"bear' } do
        local trace, name = of_peer(text)
        has(trace, (" ← %s ***\n"):format(name))
        has_not(trace, "bear")
      end
    end)
  end)

  describe("is turned on", function()
    local CALL = "server.sum(1, 2)"

    it("by the environment, for harp and for the module", function()
      has(run(CALL, "HARP_DEBUG=1 " .. harness.program), '"procedure":"sum"')
      has(run(CALL, "HARP_DEBUG=1 " .. harness.stock_lua()), '"procedure":"sum"')
    end)

    it("by an option of the commands, and leaves their output alone", function()
      local output, trace, status = harness.harp(
        ("call --debug --caller %s web01 sum 2 3 --json"):format(dispatcher.address))
      assert.equal(0, status)
      assert.equal("5", output:match '"result": ?(%d+)}\n$')
      has(trace, ' → ' .. dispatcher.address .. ' {"harpcaller":1,"host":"web01"')
      for _, command in ipairs{ "jobs", "queues", "hosts", "procedures web01" } do
        output, trace = harness.harp(("%s --caller %s --debug"):format(command, dispatcher.address))
        has(trace, " → " .. dispatcher.address)
        has_not(output, "→")
      end
      local password = harness.write(directory .. "/password", "secret\n")
      output, trace = harness.harp(("call --debug --direct --user tester --pin %s --password-file %s %s sum 2 3")
        :format(daemon.pin, password, "127.0.0.1:" .. daemon.port))
      has(output, '"result"')
      has(trace, '"auth":{"user":"tester","password":"***"}')
    end)

    it("for scripts, not for the servers that --local starts", function()
      local call = [[-e 'print(require "harp".caller().localhost.sum_and_difference(1, 2):get().sum)']]
      local output, trace = harness.harp("--local --verbose --debug " .. call)
      assert.equal("3\n", output)
      has(trace, " → unix:")
      has_not(trace, '"auth"')
      trace = harness.shell("HARP_DEBUG=1 " .. harness.program .. " --local --verbose " .. call .. " 2>&1")
      has(trace, " → unix:")
      has_not(trace, '"auth"')
    end)
  end)
end)
