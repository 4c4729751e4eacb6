-- The ways into the dispatcher: listeners, TLS, who may come in, the control
-- socket, systemd, and what clients may cost.

local certificates = require "spec.support.certificates"
local harness = require "spec.support.harness"
local harp = require "harp"
local socket = require "socket"
local ssl = require "ssl"
local unix = require "socket.unix"

local eventually = harness.eventually

local HELLO = '"get_status":"00000000-0000-0000-0000-000000000000"'

local function line(members) return '{"harpcaller":1,' .. members .. "}\n" end

local function auth(user, password) return (',"auth":{"user":%q,"password":%q}'):format(user, password) end

local function has(text, part)
  assert(tostring(text):find(part, 1, true), ("%q is not in: %s"):format(part, tostring(text)))
end

describe("the ways into the dispatcher:", function()
  local daemon, directory, authority, server_files, client_files

  setup(function()
    daemon = harness.daemon()
    directory = harness.directory()
    authority = certificates.make(directory, { authority = true })
    server_files = certificates.make(directory, { issuer = authority })
    client_files = certificates.make(directory, { issuer = authority })
  end)

  teardown(harness.clean_up)

  -- The members of an entry of `listen` that speaks TLS.
  local function tls(more)
    return ("address = '127.0.0.1:0', tls = true, certificate = %q, key = %q, %s"):format(
      server_files.certificate, server_files.key, more or "")
  end

  -- A dispatcher with these listeners; the port of each is in its `ports`.
  local function start(listen, settings, before)
    local dispatcher = harness.dispatcher{
      daemon = daemon, settings = ("listen = { %s }\n%s"):format(table.concat(listen, ", "), settings or ""),
      before = before,
    }
    dispatcher.ports = { dispatcher.port }
    for i = 2, #listen do
      dispatcher.ports[i] = math.tointeger(dispatcher.pipe:read "l":match "^listening on .-:?(%d*)$") or false
    end
    return dispatcher
  end

  local function connect_unix(path)
    local connection = unix.stream and unix.stream() or unix()
    assert(connection:connect(path))
    connection:settimeout(harness.PATIENCE)
    return connection
  end

  local function connect_tls(port, files)
    return harness.connect_tls({ port = port }, {
      mode = "client", protocol = "any", verify = "none", options = "all",
      certificate = files and files.certificate, key = files and files.key,
    })
  end

  -- The first reply on a connection, decoded, or nil.
  local function ask(connection, members)
    assert(connection:send(line(members)))
    local reply = connection:receive "*l"
    return reply and harp.decode(reply)
  end

  -- The same, and hangs up: who does not keeps a connection for two seconds.
  local function ask_once(connection, members)
    local reply = ask(connection, members)
    connection:close()
    return reply
  end

  local function is_served(connection)
    local reply = ask(connection, HELLO)
    assert.equal("invalid_jobid", reply.error.type)
    assert.truthy(reply.extensions)
  end

  -- Is it, without another word?
  local function is_closed(connection)
    local lines, closed = harness.lines(connection)
    return closed and #lines == 0
  end

  -- A path for a socket.
  local function path(name) return harness.directory() .. "/" .. name end

  -- An operator at a control socket: gives the reply to each command.
  local function control(at)
    local connection = connect_unix(at)
    return function(command)
      assert(connection:send(command .. "\n"))
      return harp.decode(assert(connection:receive "*l"))
    end
  end

  describe("listeners", function()
    it("can be many, each at its place, unix sockets with their modes", function()
      local own, group = path "own", path "group"
      local dispatcher = start({
        "'127.0.0.1:0'", ("'unix:%s'"):format(own), ("{ address = 'unix:%s', mode = 0660 }"):format(group),
        "{ address = '127.0.0.1:0' }",
      })
      assert.equal("600\n660\n", (harness.shell(("stat -c %%a %s %s"):format(own, group))))
      is_served(harness.connect(dispatcher))
      is_served(harness.connect{ port = dispatcher.ports[4] })
      is_served(connect_unix(own))
      is_served(connect_unix(group))
      assert.equal(0, dispatcher:stop())
    end)

    -- What it says when it does not start.
    local function complaint(settings)
      local at = harness.directory()
      local config = harness.write(at .. "/dispatcher.lua", ("database = %q\nhosts = {}\n%s"):format(
        at .. "/database", settings))
      local output, errors, status = harness.harp("dispatcher --config " .. config)
      assert.same({ "", 1 }, { output, status })
      assert.is_nil(io.open(at .. "/database"))
      return errors
    end

    it("are not opened beyond loopback when anybody could call", function()
      for _, listen in ipairs{ "'0.0.0.0:0'", "'[::]:0'", "{ '127.0.0.1:0', { address = '0.0.0.0:0' } }",
        ("{ { %s } }"):format(tls():gsub("127.0.0.1", "0.0.0.0")) } do
        has(complaint("listen = " .. listen), "is beyond loopback, and anybody could call")
      end
      has(complaint "listen = { { address = '0.0.0.0:0', users = { me = 'pw' } } }",
        "passwords would go to it in the clear")
    end)

    it("are opened there when it is meant, or when it is known who calls", function()
      for _, entry in ipairs{
        "{ address = '0.0.0.0:0', open = true }", "{ address = '0.0.0.0:0', users = { me = 'pw' }, open = true }",
        ("{ %s }"):format(tls "users = { me = 'pw' }":gsub("127.0.0.1", "0.0.0.0")),
        ("{ %s }"):format(tls(("client_ca = %q"):format(authority.certificate)):gsub("127.0.0.1", "0.0.0.0")),
      } do
        local dispatcher = start{ entry }
        has(dispatcher.address, "0.0.0.0:")
        assert.equal(0, dispatcher:stop())
      end
    end)

    it("say what is wrong with their settings", function()
      local entries = {
        ["mode: must be octal digits"] = "address = 'unix:/x', mode = 0690",
        ["of no use without tls"] = "address = '127.0.0.1:0', client_ca = '/x'",
        ["tls needs a certificate"] = "address = '127.0.0.1:0', tls = true",
        ["cannot use /no/such"] = "address = '127.0.0.1:0', tls = true, certificate = '/no/such'",
        ["cannot use " .. server_files.key] = tls(("client_ca = %q"):format(server_files.key)),
        ["nobody knows this setting"] = "address = '127.0.0.1:0', password = 'x'",
        ["cannot read the password file /no/such"] = "address = '127.0.0.1:0', password_file = '/no/such'",
        ["must map names to passwords"] = "address = '127.0.0.1:0', users = { me = '' }",
        ["must be an address, or a list"] = "tls = true",
      }
      for text, entry in pairs(entries) do has(complaint(("listen = { { %s } }"):format(entry)), text) end
      has(complaint "control = '127.0.0.1:1'", "must be a unix socket")
      local config = harness.write(directory .. "/systemd.lua",
        ("listen = 'systemd:web'\ndatabase = %q\nhosts = {}"):format(directory .. "/db"))
      local _, errors = harness.harp("dispatcher --config " .. config)
      has(errors, "systemd has handed on no socket named web")
    end)
  end)

  describe("TLS", function()
    it("is shaken, and serves requests as plain connections do", function()
      local dispatcher = start{ ("{ %s }"):format(tls()) }
      local connection = connect_tls(dispatcher.port)
      is_served(connection)
      local id = ask(connection, '"host":"localhost","procedure":"sum","arguments":[2,3],"tag":1').job_id
      assert.same({ result = 5, tag = 2 }, ask(connection, ('"get_result":%q,"tag":2'):format(id)))
      assert.same({ result = 5 }, ask(connection, ('"get_result":%q'):format(id)))
      assert.is_true(is_closed(connection))
      dispatcher:stop()
    end)

    it("is 1.2 and above", function()
      local dispatcher = start{ ("{ %s }"):format(tls()) }
      for protocol, good in pairs{ tlsv1_2 = true, tlsv1_3 = true, tlsv1_1 = false } do
        local connection = assert(ssl.wrap(harness.connect(dispatcher), {
          mode = "client", protocol = protocol, verify = "none", options = "all", ciphers = "ALL:@SECLEVEL=0",
        }))
        connection:settimeout(harness.PATIENCE)
        assert.equal(good, connection:dohandshake() == true)
      end
      dispatcher:stop()
    end)

    it("demands a certificate of its authority where there is one", function()
      local dispatcher = start{ ("{ %s }"):format(tls(("client_ca = %q"):format(authority.certificate))) }
      is_served(connect_tls(dispatcher.port, client_files))
      local stranger = certificates.make(directory)
      for _, files in ipairs{ stranger, false } do
        local ok, reply = pcall(function() return ask_once(connect_tls(dispatcher.port, files or nil), HELLO) end)
        assert.is_true(not ok or reply == nil)
      end
      dispatcher:expect "TLS: peer did not return a certificate"
      dispatcher:stop()
    end)

    it("costs nobody else anything when a peer is silent, or talks nonsense", function()
      local dispatcher = start({ ("{ %s }"):format(tls()), "'127.0.0.1:0'" }, "limits = { idle = 5 }")
      local silent = {}
      for i, text in ipairs{ "", "\22\3\1\2\0\1", "\22\3\1", "GET / HTTP/1.0\r\n\r\n", ("x"):rep(100000) } do
        silent[i] = harness.connect(dispatcher)
        silent[i]:send(text)
      end
      is_served(connect_tls(dispatcher.port))
      is_served(harness.connect{ port = dispatcher.ports[2] })
      assert.is_true(harness.is_waiting(silent[1]))     -- it was not given up yet
      for _, connection in ipairs(silent) do
        local _, reason
        repeat _, reason = connection:receive(1) until reason
        assert.not_equal("timeout", reason)
      end
      dispatcher:stop()
    end)

    it("lets a client take its time, and sends no more than it reads", function()
      local at = path "control"
      local dispatcher = start({ ("{ %s }"):format(tls()) }, ("control = 'unix:%s'"):format(at))
      local command = control(at)
      local id = ask_once(connect_tls(dispatcher.port),
        '"host":"localhost","procedure":"text","arguments":[20000000]').job_id
      local connection = connect_tls(dispatcher.port)
      connection:send(line(('"get_result":%q'):format(id)))
      socket.sleep(1)
      assert.equal(#'{"result":""}' + 20000000, #harness.lines(connection)[1])
      connection:close()
      -- many requests of one that reads nothing, then all of the replies
      local busy = connect_tls(dispatcher.port)
      is_served(busy)
      for tag = 1, 2000 do busy:send(line(('"get_status":%q,"tag":%d'):format(id, tag))) end
      socket.sleep(0.2)
      local tags = {}
      for _ = 1, 2000 do tags[harp.decode(assert(busy:receive "*l")).tag] = true end
      assert.equal(2000, #tags)
      busy:close()
      eventually(function() return command '{"status":true}'.status.connections == 0 end)
      dispatcher:stop()
    end)

    it("hang-ups are seen at once", function()
      local at = path "control"
      local dispatcher = start({ ("{ %s }"):format(tls()) }, ("control = 'unix:%s'"):format(at))
      local command = control(at)
      local id = ask_once(connect_tls(dispatcher.port),
        '"host":"localhost","procedure":"sleep","arguments":[100]').job_id
      local connection = connect_tls(dispatcher.port)
      connection:send(line(('"follow_stream":%q'):format(id)))
      eventually(function() return command '{"status":true}'.status.exchanges == 1 end)
      connection:close()
      eventually(function()
        local status = command '{"status":true}'.status
        return status.exchanges == 0 and status.connections == 0
      end)
      dispatcher:stop()
    end)
  end)

  describe("users", function()
    local dispatcher, file

    setup(function()
      file = harness.write(directory .. "/passwords", "filed:" .. harness.shell "openssl passwd -6 -salt salt right")
      dispatcher = start{
        ("{ address = '127.0.0.1:0', users = { me = 'secret' }, password_file = %q }"):format(file), "'127.0.0.1:0'",
      }
    end)

    local function opened(members)
      local connection = harness.connect(dispatcher)
      return ask(connection, members), connection
    end

    it("come in with the first request that says who they are", function()
      local reply, connection = opened(HELLO .. auth("me", "secret"))
      assert.truthy(reply.extensions)
      assert.same({ ["end"] = true, tag = 7 }, ask(connection, '"list_queues":true,"tag":7'))
      reply, connection = opened('"list_queues":true,"tag":1' .. auth("filed", "right"))
      assert.same({ ["end"] = true, tag = 1 }, reply)
      assert.same({ ["end"] = true }, ask(connection, '"list_queues":true'))
      assert.same({ ["end"] = true }, (opened('"list_queues":true' .. auth("filed", "right"))))
    end)

    it("and requests that wait behind the first one are served after it", function()
      local connection = harness.connect(dispatcher)
      connection:send(line('"list_queues":true,"tag":1' .. auth("filed", "right")) .. line '"list_queues":true,"tag":2'
        .. line '"list_queues":true')
      local lines = harness.lines(connection)
      assert.same({ '{"end":true,"tag":1}', '{"end":true,"tag":2}', '{"end":true}' }, lines)
    end)

    it("do not otherwise, and learn it a second later, which costs nobody else", function()
      local before, connections
      eventually(function()     -- a busy machine may take that second for the others
        before, connections = socket.gettime(), {}
        for i, members in ipairs{
          '"list_queues":true', HELLO, '"list_queues":true,"tag":4' .. auth("me", "wrong"),
          '"list_queues":true' .. auth("filed", "wrong"), HELLO .. auth("nobody", "secret"),
          '"host":"localhost","procedure":"sum","arguments":[1,2]',
        } do
          connections[i] = harness.connect(dispatcher)
          connections[i]:send(line(members) .. line('"list_queues":true,"tag":9' .. auth("me", "secret")))
        end
        assert.truthy((opened(HELLO .. auth("me", "secret"))).extensions)
        is_served(harness.connect{ port = dispatcher.ports[2] })
        local all = true
        for _, connection in ipairs(connections) do all = all and harness.is_waiting(connection) end
        return all
      end)
      for i, connection in ipairs(connections) do
        local lines, closed = harness.lines(connection)
        assert.same({ 1, true }, { #lines, closed })
        local reply = harp.decode(lines[1])
        assert.equal("auth_error", reply.error.type)
        assert.equal(i == 3 and 4 or nil, reply.tag)
      end
      assert.is_true(socket.gettime() - before >= 1)
      local log = harness.read(dispatcher.log)
      has(log, "authentication failed from=127.0.0.1:")
      has(log, 'user="nobody"')
      assert.is_nil(log:find("secret", 1, true))
      assert.is_nil(log:find("wrong", 1, true))
    end)

    it("are those of the file as it is now", function()
      harness.write(file, "# others\nlater:" .. harness.shell "openssl passwd -6 -salt other right")
      assert.truthy((opened(HELLO .. auth("later", "right"))).extensions)
      assert.equal("auth_error", (opened(HELLO .. auth("filed", "right"))).error.type)
      harness.write(file, "not a line of a password file, by far")
      assert.truthy((opened(HELLO .. auth("later", "right"))).extensions)
      dispatcher:expect(file .. ":1: a line must be USER:HASH")
    end)

    it("need not say it where nobody asks, and may", function()
      local connection = harness.connect{ port = dispatcher.ports[2] }
      assert.truthy(ask(connection, HELLO .. auth("me", "wrong")).extensions)
    end)

    it("must say it well", function()
      for _, members in ipairs{ ',"auth":1', ',"auth":{}', ',"auth":{"user":"me"}', ',"auth":{"user":1,"password":"x"}',
        ',"auth":{"user":"me","password":"secret","x":1}', auth("me", "secret"):rep(2) } do
        assert.equal("invalid_request", (opened(HELLO .. members)).error.type)
      end
    end)
  end)

  describe("harp.caller", function()
    local dispatcher, command

    setup(function()
      local at = path "control"
      dispatcher = start({ ("{ %s }"):format(tls "users = { me = 'secret' }") }, ("control = 'unix:%s'"):format(at))
      command = control(at)
    end)

    local function caller(options)
      local all = { host = "127.0.0.1", port = dispatcher.port, tls = true, ca_file = authority.certificate }
      for name, v in pairs(options or {}) do all[name] = v end
      return harp.caller(all)
    end

    it("says who it is, to call, to follow, and for a hundred tasks on one connection", function()
      local rpc = caller{ user = "me", password_file = harness.write(directory .. "/password", "secret\n") }
      assert.equal(5, rpc.localhost.sum(2, 3):get())
      local packets = rpc.localhost.count(20, 0.01):follow{ since = 0 }:all()
      assert.equal(20, packets[20].i)
      assert.same({}, rpc:queues():all())
      assert.equal("invalid_jobid", rpc:request{ get_status = "x" }.error.type)
      local sums = harp.map((function() local t = {} for i = 1, 100 do t[i] = i end return t end)(), function(i)
        return rpc.localhost.sum(i, 1):get()
      end, { concurrency = 100 })
      assert.equal(101, sums[100])
      eventually(function() harp.sleep(0.01) return command '{"status":true}'.status.connections == 1 end)
    end)

    it("shows its password nowhere, whatever happens", function()
      local rpc = caller{ user = "me", password = "hidden" }
      local ok, failure = pcall(function() return rpc.localhost.sum(2, 3):get() end)
      assert.is_false(ok)
      assert.same({ "RemoteError", "auth_error" }, { failure.kind, failure.type })
      has(failure, "wrong user or password")
      for _, text in ipairs{ tostring(failure), tostring(rpc), harness.read(dispatcher.log) } do
        assert.is_nil(text:find("hidden", 1, true))
      end
      ok, failure = pcall(function() return caller().localhost.sum(2, 3):get() end)
      assert.is_false(ok)
      assert.equal("auth_error", failure.type)
    end)

    it("takes user and password from the environment, with TLS", function()
      local output = harness.shell(("HARP_CALLER_USER=me HARP_CALLER_PASSWORD=secret %s -e '%s'"):format(
        harness.program, ([[print(require "harp".caller{ host = "127.0.0.1", port = %d, tls = true, ca_file = "%s" }
          .localhost.sum(2, 3):get())]]):format(dispatcher.port, authority.certificate)))
      assert.equal("5\n", output)
    end)

    it("says what is missing", function()
      local function raised(options) return select(2, pcall(caller, options)) end
      has(raised{ user = "me" }, "no password; give password or password_file, or set HARP_CALLER_PASSWORD")
      has(raised{ password = "x" }, "a password is of no use without user")
      has(raised{ user = "me", password_file = "/no/such" }, "cannot read the password from /no/such")
      has(raised{ user = "", password = "x" }, "user must be a text")
      has(raised{ user = "me", password = "\xff" }, "password must be a text")
    end)
  end)

  describe("the control socket", function()
    local dispatcher, command, at

    setup(function()
      at = path "control"
      dispatcher = start({ "'127.0.0.1:0'" }, ("control = 'unix:%s'"):format(at))
      command = control(at)
    end)

    local function submit(procedure, arguments, more)
      return ask_once(harness.connect(dispatcher), ('"host":"localhost","procedure":%q,"arguments":%s%s'):format(
        procedure, arguments, more or "")).job_id
    end

    it("is its owner's, and tells how things are", function()
      assert.equal("600\n", (harness.shell("stat -c %a " .. at)))
      submit("sleep", "[100]", ',"queue":{"name":{"b":2,"a":1}}')
      submit("sleep", "[100]", ',"queue":{"name":{"a":1,"b":2}}')
      local idle = harness.connect(dispatcher)
      is_served(idle)
      eventually(function() return command '{"status":true}'.status.jobs.running == 1 end)
      local status = command '{"status":true}'.status
      assert.equal(dispatcher.pid, tostring(status.pid))
      assert.truthy(status.version:match "^%d+%.%d+")
      assert.is_true(status.uptime >= 0 and status.uptime < 60)
      assert.same({ queued = 1, running = 1, ending = 0 }, status.jobs)
      assert.same({ { name = { a = 1, b = 2 }, concurrency = 1, running = 1, waiting = 1 } }, status.queues)
      eventually(function() return command '{"status":true}'.status.connections == 1 end)
      assert.is_true(status.database.size > 0)
      assert.same({ dispatcher.address }, status.listen)
      assert.equal(600, status.settings.timeout)
      assert.equal(1048576, status.settings.limits.request)
    end)

    it("cancels a queue, and nothing else", function()
      local other = submit("sleep", "[0.2]", ',"queue":{"name":{"a":2}}')
      assert.same({ cancelled = 2 }, command '{"cancel_queue":{"b":2, "a":1}}')
      assert.same({ cancelled = 0 }, command '{"cancel_queue":{"b":2, "a":1}}')
      assert.same({}, command '{"status":true}'.status.queues[2] or {})
      assert.same({ result = "slept" }, ask_once(harness.connect(dispatcher), ('"get_result":%q'):format(other)))
      eventually(function() return command '{"status":true}'.status.jobs.running == 0 end)
    end)

    it("removes what ended long ago, and has the program of hosts run again", function()
      local id = submit("sum", "[1,2]")
      assert.same({ result = 3 }, ask_once(harness.connect(dispatcher), ('"get_result":%q'):format(id)))
      assert.same({ pruned = 0 }, command '{"prune":3600}')
      eventually(function() return command '{"prune":0}'.pruned > 0 end)
      local gone = ask_once(harness.connect(dispatcher), ('"get_status":%q'):format(id))
      assert.equal("invalid_jobid", gone.error.type)
      assert.same({ refreshing = false }, command '{"refresh_hosts":true}')
      local marks = path "marks"
      local other_at = path "other"
      local other = start({ "'127.0.0.1:0'" }, ("control = 'unix:%s'\nhosts_command = { 'sh', '-c', %q }"):format(
        other_at, "echo ran >> " .. marks .. [[; echo '{"hostname":"x","address":"127.0.0.1","port":1,]]
        .. [["credentials":{"user":"u","password":"p"}}']]))
      local before = harness.read(marks)
      assert.same({ refreshing = true }, control(other_at) '{"refresh_hosts":true}')
      eventually(function() return harness.read(marks) == before .. "ran\n" end)
      other:stop()
    end)

    it("answers what it cannot do or read with an error, and goes on", function()
      for command_line, kind in pairs{
        ["{"] = "parse_error", ["[]"] = "invalid_request", ["{}"] = "invalid_request", ['{"x":1}'] = "invalid_request",
        ['{"status":false}'] = "invalid_request", ['{"status":true,"stop":true}'] = "invalid_request",
        ['{"cancel_queue":1}'] = "invalid_request", ['{"prune":-1}'] = "invalid_request",
      } do
        assert.equal(kind, command(command_line).error.type)
      end
      assert.truthy(command '{"status":true}'.status)
      local connection = connect_unix(at)
      connection:send '{"status":true}\n{"status":true}\n'
      assert.truthy(connection:receive "*l")
      assert.truthy(connection:receive "*l")
      connection:send(("x"):rep(100000))
      assert.is_true(is_closed(connection))
    end)

    it("stops it", function()
      assert.same({ stopping = true }, command '{"stop":true}')
      assert.equal("", dispatcher.pipe:read "a")    -- until it is gone
      assert.equal(0, dispatcher:stop())
    end)
  end)

  describe("the configuration can be read again,", function()
    local dispatcher, command, file, text

    setup(function()
      local at = path "control"
      dispatcher = start({ "{ address = '127.0.0.1:0', users = { me = 'old' } }" }, ("control = 'unix:%s'"):format(at))
      command = control(at)
      file = dispatcher.directory .. "/dispatcher.lua"
      text = harness.read(file)
    end)

    local function hosts()
      local connection = harness.connect(dispatcher)
      connection:send(line('"list_hosts":true' .. auth("me", "old")))
      local lines = harness.lines(connection)
      return harp.decode(lines[1]), #lines - 1
    end

    it("at SIGHUP and by command: hosts, users and limits are others then", function()
      local _, before = hosts()
      harness.write(file, text .. '\nhosts.new = { user = "x", password = "y" }\nlimits = { request = 2000 }')
      os.execute("kill -HUP " .. dispatcher.pid)
      dispatcher:expect "reloaded"
      assert.equal(before + 1, select(2, hosts()))
      assert.equal(2000, command '{"status":true}'.status.settings.limits.request)
      harness.write(file, (text:gsub("'old'", "'new'")))
      assert.same({ reloaded = true, restart_needed = false }, command '{"reload":true}')
      assert.equal("auth_error", hosts().error.type)
      assert.equal(1048576, command '{"status":true}'.status.settings.limits.request)
      harness.write(file, text)
      command '{"reload":true}'
      assert.equal(before, select(2, hosts()))
    end)

    it("how long jobs are kept, too", function()
      local function ask_as(request) return ask_once(harness.connect(dispatcher), request .. auth("me", "old")) end
      local id = ask_as('"host":"localhost","procedure":"sum","arguments":[1,2]').job_id
      assert.same({ result = 3 }, ask_as(('"get_result":%q'):format(id)))
      harness.write(file, text .. "\nkeep_for = 0.01")
      command '{"reload":true}'
      eventually(function() return (ask_as(('"get_status":%q'):format(id)).error or {}).type == "invalid_jobid" end)
      harness.write(file, text)
      command '{"reload":true}'
    end)

    it("and when it is wrong nothing changes, and it is said why", function()
      local _, before = hosts()
      for broken, part in pairs{
        ["hosts = {"] = "near <eof>", ["hosts = { x = {} }"] = "a host needs a user and a password",
        ["limits = { idle = -1 }"] = "idle: must be from 0.01", ["nonsense = 1"] = "nobody knows this setting",
        ["listen = { '0.0.0.0:0' }"] = "anybody could call",
      } do
        harness.write(file, text .. "\n" .. broken)
        has(command '{"reload":true}'.error.message, part)
      end
      os.execute("kill -HUP " .. dispatcher.pid)
      dispatcher:expect "not reloaded, all stays as it was"
      assert.equal(before, select(2, hosts()))
    end)

    it("but for where it listens", function()
      harness.write(file, text .. "\nlisten = '127.0.0.1:1'")
      assert.same({ reloaded = true, restart_needed = true }, command '{"reload":true}')
      assert.truthy((hosts()))
    end)
  end)

  describe("systemd", function()
    it("hands on sockets, and is told how things are", function()
      local first, second = assert(socket.bind("127.0.0.1", 0)), assert(socket.bind("127.0.0.1", 0))
      local notified = path "notify"
      local told = unix.dgram()
      assert(told:bind(notified))
      told:settimeout(harness.PATIENCE)
      -- A shell of more than one digit puts them where they are looked for.
      local before = ([[exec bash -c "exec 3<&%d 4<&%d; export LISTEN_PID=\$\$ LISTEN_FDS=2 LISTEN_FDNAMES=one:two \
        NOTIFY_SOCKET=%s; \"\$@\"" --]]):format(first:getfd(), second:getfd(), notified):gsub("\\\n%s*", "")
      local dispatcher = start({ "'systemd:two'", "'systemd'" }, "", before)
      local _, first_port = first:getsockname()
      local _, second_port = second:getsockname()
      assert.same({ math.tointeger(second_port), math.tointeger(first_port) }, dispatcher.ports)
      first:close()
      second:close()
      has(told:receive(), "READY=1")
      is_served(harness.connect(dispatcher))
      is_served(harness.connect{ port = dispatcher.ports[2] })
      os.execute("kill -HUP " .. dispatcher.pid)
      assert.truthy(told:receive():match "^RELOADING=1\nMONOTONIC_USEC=%d+$")
      has(told:receive(), "READY=1")
      assert.equal(0, dispatcher:stop())
      has(told:receive(), "STOPPING=1")
      told:close()
    end)
  end)

  describe("limits", function()
    local dispatcher, command

    setup(function()
      local at = path "control"
      dispatcher = start({ "'127.0.0.1:0'" }, ("control = 'unix:%s'\n"):format(at)
        .. "limits = { request = 2000, nesting = 5, connections = 3, in_flight = 2 }")
      command = control(at)
    end)

    local function refusal(members)
      local connection = harness.connect(dispatcher)
      local reply = ask(connection, members)
      connection:close()
      assert.equal("invalid_request", reply.error.type)
      return reply.error.message
    end

    it("how long a request is, and how deep", function()
      has(refusal('"get_status":"' .. ("x"):rep(2000) .. '"'), "longer than 2000 bytes")
      local call = '"host":"localhost","procedure":"echo","arguments":[%s]'
      has(refusal(call:format "[[[[]]]]"), "nested more than 5 levels deep")
      local connection = harness.connect(dispatcher)
      assert.truthy(ask(connection, call:format '[[["[[[[[[\\"{{{"]]]').job_id)
      connection:close()
    end)

    it("how many requests a connection has in flight", function()
      local connection = harness.connect(dispatcher)
      local id = ask(connection, '"host":"localhost","procedure":"sleep","arguments":[100],"tag":0').job_id
      connection:send(line(('"get_result":%q,"tag":1'):format(id)) .. line(('"get_result":%q,"tag":2'):format(id)))
      local reply = ask(connection, ('"get_result":%q,"tag":3'):format(id))
      assert.same({ "invalid_request", 3 }, { reply.error.type, reply.tag })
      has(reply.error.message, "2 requests are being answered")
      connection:close()
      ask_once(harness.connect(dispatcher), ('"cancel":%q'):format(id))
    end)

    it("how many connections there are", function()
      eventually(function() return command '{"status":true}'.status.connections == 0 end)
      local connections = {}
      for i = 1, 4 do
        connections[i] = harness.connect(dispatcher)
        if i <= 3 then is_served(connections[i]) end
      end
      local reply = ask(connections[4], HELLO)
      assert.equal("too_many_connections", reply.error.type)
      has(reply.error.message, "3 connections are open")
      assert.is_true(is_closed(connections[4]))
      -- A caller takes that for something that passes.
      local rpc = harp.caller{ host = "127.0.0.1", port = dispatcher.port, retry_for = 0 }
      local failure = select(2, pcall(function() return rpc:job "x":status() end))
      assert.same({ "CommunicationError", "too_many_connections" }, { failure.kind, failure.type })
      rpc = harp.caller{ host = "127.0.0.1", port = dispatcher.port }
      local call = harp.spawn(function() return rpc.localhost.sum(2, 3):get() end)
      harp.sleep(0.2)
      for _, connection in ipairs(connections) do connection:close() end
      assert.equal(5, call:join())
    end)

    it("how long a connection may be silent at first", function()
      local hasty = start({ "'127.0.0.1:0'" }, "limits = { idle = 0.5 }")
      assert.is_true(harness.seconds(function() assert.is_true(is_closed(harness.connect(hasty))) end) > 0.3)
      hasty:stop()
    end)

    it("which are what they can be", function()
      local config = harness.write(directory .. "/limits.lua", "database = '/no/such'\nlimits = { request = 10 }")
      local _, errors, status = harness.harp("dispatcher --config " .. config)
      assert.equal(1, status)
      has(errors, "request: must be from 1024 to 268435456")
    end)
  end)
end)
