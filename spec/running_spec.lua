-- The daemon as whoever runs it sees it: its settings, a first start and a
-- reload, who is let in, and what a crowd at the door costs the others.

local certificates = require "spec.support.certificates"
local harness = require "spec.support.harness"
local harp = require "harp"
local socket = require "socket"
local ssl = require "ssl"
local unix = require "socket.unix"

local eventually, seconds = harness.eventually, harness.seconds

local function has(text, part)
  assert(tostring(text):find(part, 1, true), ("%q is not in: %s"):format(part, tostring(text)))
end

describe("running a daemon:", function()
  local directory = harness.directory()
  local as_root = harness.shell "id -u" == "0\n"

  teardown(harness.clean_up)

  local function request(procedure, arguments, user, password)
    return ('{"harp":1,"procedure":%q,"arguments":%s,"auth":{"user":%q,"password":%q}}\n'):format(
      procedure, arguments or "[]", user or "tester", password or "secret")
  end

  -- The last line of the answer, decoded.
  local function call(daemon, ...)
    local lines = harness.ask_tls(daemon, request(...))
    return lines[1] and harp.decode(lines[#lines])
  end

  local function sum(daemon) return assert.same({ result = 5 }, call(daemon, "sum", "[2,3]")) end

  -- A connection from that address of the loopback net.
  local function connect_from(address, daemon)
    local connection = assert(socket.tcp())
    assert(connection:bind(address, 0))
    assert(connection:connect("127.0.0.1", daemon.port))
    connection:settimeout(harness.PATIENCE)
    return connection
  end

  local function wrap(connection, parameters)
    local tls = assert(ssl.wrap(connection, parameters or {
      mode = "client", protocol = "any", verify = "none", options = "all",
    }))
    tls:settimeout(harness.PATIENCE)
    return tls
  end

  -- A configuration that is good, with more lines; its file.
  local function configuration(more)
    local at = harness.directory()
    local certificate, key = harness.certificate(at)
    return harness.write(at .. "/daemon.lua", ([[
      listen = "127.0.0.1:0" certificate = %q key = %q users = { me = "pw" } procedures = { %q }
      %s]]):format(certificate, key, harness.write(at .. "/p.lua", "procedure('p', function() return 1 end)"),
      more or "")), at
  end

  local function run(options) return harness.harp("daemon " .. options) end

  describe("--init", function()
    it("makes a key and a certificate, and says what a dispatcher needs to know", function()
      local at = harness.directory() .. "/etc/harp"
      local files = ("certificate = '%s/d.crt' key = '%s/d.key'"):format(at, at)
      local config = harness.write(directory .. "/init.lua", files)
      local output, errors, status = run("--init --config " .. config)
      assert.same({ "", 0 }, { errors, status })
      assert.equal("600\n", (harness.shell("stat -c %a " .. at .. "/d.key")))
      local pin = certificates.pin(at .. "/d.crt")
      has(output, "pin " .. pin .. "\n")
      has(output, ("pin = %q },"):format(pin))
      local daemon = harness.daemon{ settings = files }
      local server = harp.server{ host = "127.0.0.1:" .. daemon.port, user = "tester", password = "secret", pin = pin }
      assert.equal(5, server.sum(2, 3))
      daemon:stop()
    end)

    it("overwrites nothing", function()
      local at = harness.directory()
      local config = harness.write(at .. "/c.lua", ("certificate = '%s/d.crt' key = '%s/d.key'"):format(at, at))
      run("--init --config " .. config)
      local before = harness.read(at .. "/d.key") .. harness.read(at .. "/d.crt")
      local output, _, status = run("--init --config " .. config)
      assert.equal(0, status)
      has(output, "are there, and stay\npin " .. certificates.pin(at .. "/d.crt"))
      assert.equal(before, harness.read(at .. "/d.key") .. harness.read(at .. "/d.crt"))
      for _, gone in ipairs{ "d.key", "d.crt" } do
        os.rename(at .. "/" .. gone, at .. "/kept")
        local _, errors, failed = run("--init --config " .. config)
        assert.equal(1, failed)
        has(errors, "one is there and one is not: move it away")
        assert.is_nil(io.open(at .. "/" .. gone))
        os.rename(at .. "/kept", at .. "/" .. gone)
      end
      assert.equal(before, harness.read(at .. "/d.key") .. harness.read(at .. "/d.crt"))
    end)
  end)

  it("--init leaves nothing half written on a full disk", function()
    if not as_root then return pending "only root can mount a small file system" end
    local at = harness.directory()
    local config = harness.write(at .. "/c.lua", ("certificate = '%s/disk/d.crt' key = '%s/disk/d.key'"):format(at, at))
    local mounted = os.execute(("mkdir %s/disk && mount -t tmpfs -o size=4k none %s/disk 2> /dev/null"):format(at, at))
    if not mounted then return pending "no file system can be mounted here" end
    harness.write(at .. "/disk/full", ("x"):rep(4096))
    local _, errors, status = run("--init --config " .. config)
    local left = harness.shell("ls " .. at .. "/disk")
    harness.shell("umount " .. at .. "/disk")
    assert.same({ "full\n", 1 }, { left, status })
    has(errors, "No space left on device")
  end)

  describe("--test", function()
    it("refuses a key with a passphrase, and asks nobody for it", function()
      local config, at = configuration()
      harness.shell(("openssl pkcs8 -topk8 -in %s/key.pem -passout pass:word -out %s/locked.pem"):format(at, at))
      os.rename(at .. "/locked.pem", at .. "/key.pem")
      local _, errors, status = run("--test --config " .. config)
      assert.same({ ("harp daemon: warning: cannot use %s/key.pem: it has a passphrase, which nobody is asked for\n")
        :format(at), 1 }, { errors, status })
    end)

    it("says that a configuration is good, and listens nowhere", function()
      local config = configuration "listen = '127.0.0.1:1'"
      assert.same({ config .. " is good\n", "", 0 }, { run("--test --config " .. config) })
    end)

    it("says what is wrong with it", function()
      for part, more in pairs{
        ["nobody knows this setting"] = "lisen = 1", ["cannot use /no/such"] = "key = '/no/such'",
        ["cannot open /no/such"] = "procedures = { '/no/such' }", ["nobody could call"] = "users = nil",
        ["tls: can be \"legacy\""] = "tls = 'old'", ["max_children: must be from 1 to"] = "max_children = 0",
        ["auth_delay: must be from 0"] = "auth_delay = -1", ["client_ca"] = "client_ca = '/no/client_ca'",
        ["bad address"] = "listen = { '127.0.0.1:1', 'unix:here' }",
        ["must map names to passwords"] = "users = { me = '' }",
      } do
        local output, errors, status = run("--test --config " .. configuration(more))
        assert.same({ "", 1 }, { output, status })
        has(errors, part)
      end
      assert.equal(2, select(3, run "--test"))
    end)
  end)

  describe("a reload", function()
    local daemon, file, text, procedures

    setup(function()
      daemon = harness.daemon{ procedures = "procedure('which', function() return 'old' end)" }
      file, procedures = daemon.directory .. "/daemon.lua", daemon.directory .. "/procedures.lua"
      text = harness.read(file)
    end)

    local reloads = 0

    -- Has it read `more` behind its configuration; returns the log's last line.
    local function reload(more)
      reloads = reloads + 1
      harness.write(file, text .. "\n" .. (more or ""))
      os.execute("kill -HUP " .. daemon.pid)
      local last
      eventually(function()
        local count = 0
        for line in io.lines(daemon.log) do
          if line:find "reloaded" then count, last = count + 1, line end
        end
        return count == reloads
      end)
      return last
    end

    it("changes procedures, while calls of the old ones go on", function()
      harness.write(procedures, [[
        procedure('which', function() return 'new' end)
        stream('slow', function() coroutine.yield(1) require 'harp'.sleep(0.4) return 'as before' end)]])
      assert.same("harp daemon: reloaded", reload())
      assert.same({ result = "new" }, call(daemon, "which"))
      local slow = harness.connect_tls(daemon)
      slow:send(request "slow")
      assert.truthy(slow:receive "*l")
      harness.write(procedures, "procedure('which', function() return 'newer' end)")
      reload()
      assert.same({ result = "newer" }, call(daemon, "which"))
      assert.same({ '{"stream":1}', '{"result":"as before"}' }, (harness.lines(slow)))
      slow:close()
      assert.equal("no_such_procedure", call(daemon, "slow").error.type)
    end)

    it("changes users and limits", function()
      reload "users = { other = 'pw' } max_children = 1"
      eventually(function() return daemon:children() == 0 end)
      assert.equal("auth_error", call(daemon, "which").error.type)
      assert.same({ result = "newer" }, call(daemon, "which", "[]", "other", "pw"))
      reload()
      assert.same({ result = "newer" }, call(daemon, "which"))
    end)

    it("changes the certificate", function()
      local made = certificates.make(directory)
      local function pin_works(pin)
        local server = harp.server{
          host = "127.0.0.1:" .. daemon.port, user = "tester", password = "secret", pin = pin,
        }
        return (pcall(function() return server.which() end))
      end
      assert.same({ true, false }, { pin_works(daemon.pin), pin_works(made.pin) })
      reload(("certificate = %q key = %q"):format(made.certificate, made.key))
      assert.same({ false, true }, { pin_works(daemon.pin), pin_works(made.pin) })
      reload()
    end)

    it("changes nothing when anything is wrong, and says what", function()
      for part, more in pairs{
        ["near <eof>"] = "users = {", ["nobody knows this setting"] = "log = 'json' nonsense = 1",
        ["cannot use /no/such"] = "users = { other = 'pw' } key = '/no/such'",
        ["cannot open /no/such"] = "users = { other = 'pw' } procedures = { '/no/such' }",
      } do
        local last = reload(more)
        has(last, "harp daemon: warning: not reloaded, all stays as it was: ")
        has(last, part)
        assert.same({ result = "newer" }, call(daemon, "which"))
      end
      harness.write(procedures, "procedure('which', function() return 'broken' end) error 'halfway'")
      has(reload(), "halfway")
      assert.same({ result = "newer" }, call(daemon, "which"))
    end)

    it("leaves the listeners, and says when that is not what is meant", function()
      harness.write(procedures, "procedure('which', function() return 'last' end)")
      has(reload "listen = '127.0.0.1:1'", "reloaded; to listen elsewhere needs a restart")
      assert.same({ result = "last" }, call(daemon, "which"))
      reload()
      eventually(function() return daemon:children() == 0 end)
      local before = daemon:descriptors()
      for _ = 1, 5 do reload() end
      eventually(function() return daemon:descriptors() <= before end)
      assert.equal(0, daemon:stop())
    end)
  end)

  describe("passwords", function()
    local function hash(password) return harness.shell("openssl passwd -6 -salt salt " .. password) end

    it("are those of the file as it is now", function()
      local file = harness.write(directory .. "/passwd", "anna:" .. hash "one")
      local daemon = harness.daemon{ settings = ("password_file = %q"):format(file) }
      local function knows(user, password) return call(daemon, "sum", "[2,3]", user, password).result == 5 end
      assert.is_true(knows("anna", "one"))
      harness.write(file, "bert:" .. hash "two" .. "anna:" .. hash "three")
      assert.same({ false, true, true }, { knows("anna", "one"), knows("bert", "two"), knows("anna", "three") })
      harness.write(file, "nonsense")
      assert.is_true(knows("bert", "two"))
      daemon:expect "passwd:1: a line must be USER:HASH"
      daemon:expect "the users stay as they were"
      daemon:stop()
    end)

    it("that are wrong are counted by address, and answered later each time", function()
      local daemon = harness.daemon{ settings = "auth_delay = 0.3" }
      local third, log
      for i, least in ipairs{ 0.3, 0.6, 1.2 } do
        third = seconds(call, daemon, "sum", "[2,3]", "tester", "guess")
        assert.is_true(third >= least)
        log = daemon:expect((" count=%d\n"):format(i))         -- before the next one comes
      end
      assert.is_true(harness.is_below(third, seconds, sum, daemon))
      assert.truthy(log:find "authentication_failed from=127.0.0.1:%d+ user=tester\n")
      assert.truthy(log:find "wrong_passwords from=127.0.0.1:%d+ count=3\n")
      assert.is_nil(log:find("guess", 1, true))
      local address = 8
      assert.is_true(harness.is_below(third, function()
        address = address + 1
        local other = wrap(connect_from("127.0.0." .. address, daemon))
        assert(other:dohandshake())
        return seconds(function()
          other:send(request("sum", "[2,3]", "tester", "guess"))
          harness.lines(other)
        end)
      end))
      daemon:stop()
    end)
  end)

  -- The beginning of a ClientHello, and all of one that nobody completes.
  local HALF_HELLO = "\22\3\1\0\200\1\0\0\196\3\3" .. ("x"):rep(60)

  -- A whole one, as a client sends it who then says nothing more.
  local function whole_hello()
    local listener = assert(socket.bind("127.0.0.1", 0))
    local client = wrap(assert(socket.connect("127.0.0.1", (select(2, listener:getsockname())))))
    client:settimeout(0)
    client:dohandshake()
    local server = listener:accept()
    local head = server:receive(5)
    local hello = head .. server:receive((">I2"):unpack(head, 4))
    for _, each in ipairs{ server, client, listener } do each:close() end
    return hello
  end

  local HELLO = whole_hello()

  -- What a crowd sends before it falls silent, by the name of its manners.
  local crowds = {
    silent = function(connection) return connection end,
    ["half a hello"] = function(connection) connection:send(HALF_HELLO) return connection end,
    ["a hello"] = function(connection) connection:send(HELLO) return connection end,
    ["half a request"] = function(connection)
      local tls = wrap(connection)
      assert(tls:dohandshake())
      tls:send '{"harp":1,"procedure":"su'
      return tls
    end,
  }

  describe("a crowd", function()
    -- `count` connections of these manners, from one address or from many.
    local function crowd(daemon, name, count, many)
      local connections = {}
      for i = 1, count do
        connections[i] = crowds[name](connect_from("127.0.0." .. (many and 2 + i % 50 or 1), daemon))
      end
      return function()
        for _, connection in ipairs(connections) do connection:close() end
      end
    end

    local function median_of_calls(daemon) return harness.median_seconds(21, sum, daemon) end

    for _, name in ipairs{ "silent", "half a hello" } do
      it(name .. " has no process, and delays nobody", function()
        local daemon = harness.daemon()
        local before = median_of_calls(daemon)
        local leave = crowd(daemon, name, 300)
        local leave_too = crowd(daemon, name, 100, true)
        assert.is_true(harness.is_below(10 * before, median_of_calls, daemon))
        eventually(function() return daemon:children() == 0 end)
        leave()
        leave_too()
        eventually(function() return daemon:descriptors() < 30 end)
        assert.equal(0, daemon:stop())
      end)
    end

    it("that begins requests has so many processes, and delays nobody for longer than a second", function()
      local daemon = harness.daemon{ settings = "max_unauthenticated = 20 request_timeout = 100" }
      local before = median_of_calls(daemon)
      local leave = crowd(daemon, "half a request", 20)
      eventually(function() return daemon:children() == 20 end)
      local leave_too = crowd(daemon, "a hello", 100)
      assert.is_true(seconds(sum, daemon) < harness.PATIENCE)
      daemon:expect "no request in time, and others waited"
      eventually(function() return daemon:children() <= 20 end)         -- but for those on their way out
      assert.is_true(harness.is_below(10 * before, function()
        socket.sleep(1.2)       -- those who came last have had their second
        return median_of_calls(daemon)
      end))
      leave()
      leave_too()
      eventually(function() return daemon:children() == 0 and daemon:descriptors() < 30 end)
      assert.equal(0, daemon:stop())
    end)

    it("at one address delays none of another", function()
      local daemon = harness.daemon{ settings = "max_unauthenticated = 3 request_timeout = 100" }
      local leave = crowd(daemon, "half a request", 3)
      local other = wrap(connect_from("127.0.0.2", daemon))
      assert(other:dohandshake())
      other:send(request("sum", "[2,3]"))
      assert.equal('{"result":5}', harness.lines(other)[2])
      assert.is_nil(harness.read(daemon.log):find("others waited", 1, true))
      sum(daemon)
      daemon:expect "no request in time, and others waited"
      leave()
      daemon:stop()
    end)

    it("from everywhere has four times as many processes as one address may have", function()
      local daemon = harness.daemon{ settings = "max_unauthenticated = 2 request_timeout = 100" }
      local crowded = {}
      for i = 1, 8 do crowded[i] = crowds["half a request"](connect_from("127.0.0." .. 10 + i, daemon)) end
      assert.equal(8, daemon:children())
      assert.is_nil(harness.read(daemon.log):find("others waited", 1, true))
      sum(daemon)         -- from a ninth address
      assert.truthy(daemon:expect "procedure=sum":find "no request in time, and others waited.*procedure=sum")
      for _, connection in ipairs(crowded) do connection:close() end
      daemon:stop()
    end)

    it("is told to go when a request takes too long", function()
      local daemon = harness.daemon{ settings = "request_timeout = 0.4" }
      for name, part in pairs{ silent = "no TLS hello came in time", ["half a hello"] = "no TLS hello came in time",
        ["half a request"] = "reading the request: it took too long" } do
        eventually(function()           -- a handshake can be what takes too long
          local start = socket.gettime()
          local ready, connection = pcall(crowds[name], connect_from("127.0.0.1", daemon))
          if not ready then return false end
          harness.lines(connection)
          assert.is_true(socket.gettime() - start > 0.3)
          connection:close()
          return harness.read(daemon.log):find(part, 1, true)
        end)
      end
      eventually(function() return daemon:children() == 0 end)
      daemon:stop()
    end)

    it("of those who speak no TLS is sent away at once", function()
      local daemon = harness.daemon{ settings = "request_timeout = 100" }
      for _, text in ipairs{ "GET / HTTP/1.0\r\n\r\n", "\22\2\0", "\22\3\1\255\255", "\22\3\1\0\200\2" } do
        local connection = harness.connect(daemon)
        connection:send(text)
        assert.is_true(seconds(harness.lines, connection) < harness.PATIENCE)
        connection:close()
      end
      daemon:expect "it does not speak TLS"
      assert.equal(0, daemon:children())
      daemon:stop()
    end)
  end)

  describe("listeners", function()
    local function connect_unix(path)
      local connection = unix.stream and unix.stream() or unix()
      assert(connection:connect(path))
      return connection
    end

    it("can be many, unix sockets too, which are their owner's", function()
      local path = harness.directory() .. "/socket"
      local daemon = harness.daemon{ settings = ("listen = { '127.0.0.1:0', 'unix:%s', '127.0.0.1:0' }"):format(path) }
      assert.equal("listening on unix:" .. path, daemon.pipe:read "l")
      local port = math.tointeger(daemon.pipe:read "l":match ":(%d+)$")
      assert.equal("600\n", (harness.shell("stat -c %a " .. path)))
      sum(daemon)
      sum{ port = port }
      local connection = wrap(connect_unix(path))
      assert(connection:dohandshake())
      connection:send(request("sum", "[2,3]"))
      assert.equal('{"result":5}', harness.lines(connection)[2])
      assert.truthy(daemon:expect "unix:uid=":find "from=\"?unix:uid=%d+")
      connection:close()
      daemon:stop()
    end)

    it("can be systemd's, which is told how things are", function()
      local first, second = assert(socket.bind("127.0.0.1", 0)), assert(socket.bind("127.0.0.1", 0))
      local notified = harness.directory() .. "/notify"
      local told = unix.dgram()
      assert(told:bind(notified))
      told:settimeout(harness.PATIENCE)
      local daemon = harness.daemon{
        settings = "listen = { 'systemd:two', 'systemd' }",
        before = ([[exec bash -c "exec 3<&%d 4<&%d; export LISTEN_PID=\$\$ LISTEN_FDS=2 LISTEN_FDNAMES=one:two \
          NOTIFY_SOCKET=%s; \"\$@\"" --]]):format(first:getfd(), second:getfd(), notified):gsub("\\\n%s*", ""),
      }
      assert.equal(math.tointeger(select(2, second:getsockname())), daemon.port)
      local other = math.tointeger(daemon.pipe:read "l":match ":(%d+)$")
      assert.equal(math.tointeger(select(2, first:getsockname())), other)
      first:close()
      second:close()
      has(told:receive(), "READY=1")
      sum(daemon)
      sum{ port = other }
      os.execute("kill -HUP " .. daemon.pid)
      assert.truthy(told:receive():match "^RELOADING=1\nMONOTONIC_USEC=%d+$")
      has(told:receive(), "READY=1")
      sum(daemon)
      assert.equal(0, daemon:stop())
      has(told:receive(), "STOPPING=1")
      told:close()
    end)
  end)

  describe("TLS", function()
    -- Does a handshake of at most that version succeed? With what stock
    -- dispatchers have.
    local function shakes(daemon, protocol)
      local connection = wrap(harness.connect(daemon), {
        mode = "client", protocol = protocol, verify = "none", options = "all", ciphers = "AES128-SHA:@SECLEVEL=0",
      })
      local ok, reason = connection:dohandshake()
      return ok == true, connection, reason
    end

    -- Their suites need such a key.
    local function rsa()
      local at = harness.directory()
      harness.shell(("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout %s/k -out %s/c"
        .. " 2>/dev/null"):format(at, at))
      return ("certificate = '%s/c' key = '%s/k'"):format(at, at)
    end

    it("is 1.2 and above, and the log says what an old peer would need", function()
      local daemon = harness.daemon{ settings = rsa() }
      assert.is_true(shakes(daemon, "tlsv1_2"))
      for _, protocol in ipairs{ "tlsv1", "tlsv1_1" } do
        local ok, connection, reason = shakes(daemon, protocol)
        assert.is_false(ok)
        has(reason, "protocol version")
        connection:close()
      end
      daemon:expect 'it speaks no TLS newer than 1.1, which is served only with tls = '
      daemon:stop()
    end)

    it("is 1.0 and above where that is asked for", function()
      local daemon = harness.daemon{ settings = rsa() .. " tls = 'legacy'" }
      for _, protocol in ipairs{ "tlsv1", "tlsv1_1", "tlsv1_2", "any" } do
        local ok, connection = shakes(daemon, protocol)
        assert.is_true(ok)
        connection:send(request("sum", "[2,3]"))
        assert.equal('{"result":5}', harness.lines(connection)[2])
        connection:close()
      end
      daemon:stop()
    end)

    it("demands a certificate of its authority where there is one", function()
      local authority = certificates.make(directory, { authority = true })
      local known, stranger = certificates.make(directory, { issuer = authority }), certificates.make(directory)
      local daemon = harness.daemon{ settings = ("client_ca = %q"):format(authority.certificate) }
      local function answer(files)
        local connection = wrap(harness.connect(daemon), {
          mode = "client", protocol = "any", verify = "none", options = "all",
          certificate = files and files.certificate, key = files and files.key,
        })
        if not connection:dohandshake() then return end
        connection:send(request("sum", "[2,3]"))
        local lines = harness.lines(connection)
        connection:close()
        return lines[2]
      end
      assert.equal('{"result":5}', answer(known))
      assert.is_nil(answer(stranger))
      assert.is_nil(answer(nil))
      daemon:expect "peer did not return a certificate"
      daemon:stop()
    end)
  end)

  it("loads the Lua files of a directory in the order of their names", function()
    local at = harness.directory()
    local order = at .. "/order"
    local function file(name)
      harness.write(at .. "/" .. name,
        ("local f = io.open(%q, 'a') f:write('%s ') f:close() procedure(%q, print)"):format(order, name, name))
    end
    for _, name in ipairs{ "b.lua", "a.lua", "C.lua", ".hidden.lua", "a.lua~", "10.lua", "9.lua" } do file(name) end
    os.execute("mkdir " .. at .. "/empty")
    assert.equal(0, select(3, run("--test --config " .. configuration(
      ("procedures = { '%s/empty', %q }"):format(at, at)))))
    assert.equal("10.lua 9.lua C.lua a.lua b.lua ", harness.read(order))
    harness.write(at .. "/d.lua", "error 'not this one'")
    local _, errors, status = run("--test --config " .. configuration(("procedures = { %q }"):format(at)))
    assert.equal(1, status)
    has(errors, at .. "/d.lua:1: not this one")
  end)

  it("as root reads nothing that anybody may write, and no key that anybody may read", function()
    if not as_root then return pending "only root is so careful" end
    local config, at = configuration()
    local passwords = harness.write(at .. "/passwd", "")
    local all = configuration(("password_file = %q"):format(passwords))
    local function refuses(mode, path, which)
      local before = harness.shell("stat -c %a " .. path):match "%d+"
      os.execute(("chmod %s %s"):format(mode, path))
      local _, errors, status = run("--test --config " .. (which or config))
      os.execute(("chmod %s %s"):format(before, path))
      assert.equal(1, status)
      has(errors, path .. ": anybody may ")
      has(errors, "which root does not rely on: chmod o-")
    end
    for _, name in ipairs{ "daemon.lua", "p.lua", "key.pem", "cert.pem" } do refuses("o+w", at .. "/" .. name) end
    refuses("o+r", at .. "/key.pem")
    refuses("o+w", passwords, all)
    os.execute("mkdir " .. at .. "/d")
    refuses("o+w", at .. "/d", configuration(("procedures = { '%s/d' }"):format(at)))
    assert.equal(0, select(3, run("--test --config " .. config)))
  end)

  it("as root does not read a password file again that anybody may write", function()
    if not as_root then return pending "only root is so careful" end
    local file = harness.write(harness.directory() .. "/passwd", "")
    local daemon = harness.daemon{ settings = ("password_file = %q"):format(file) }
    os.execute("chmod o+w " .. file)
    harness.write(file, "guest:" .. harness.shell "openssl passwd -6 -salt salt guest")
    assert.equal("auth_error", call(daemon, "sum", "[2,3]", "guest", "guest").error.type)
    daemon:expect(file .. ": anybody may write it")
    daemon:expect "the users stay as they were"
    daemon:stop()
  end)

  describe("the end", function()
    it("comes when calls have ended or, after their grace, been killed, with all that they started", function()
      local daemon = harness.daemon{ settings = "grace = 0.2 request_timeout = 100" }
      local connection = harness.connect_tls(daemon)
      local command, runs = harness.sleeper()
      connection:send(request("shell", ([=[["trap '' TERM; %s"]]=]):format(command)))
      eventually(runs)
      local silent = harness.connect(daemon)
      assert.is_true(seconds(function() assert.equal(0, daemon:stop()) end) < harness.PATIENCE)
      eventually(function() return not runs() end)
      silent:close()
      connection:close()
    end)

    it("is not cut short by SIGHUP", function()
      local daemon = harness.daemon{ settings = "grace = 100" }
      local gate = harness.directory() .. "/gate"
      local connection = harness.connect_tls(daemon)
      connection:send(request("shell",
        ([=[["trap '' TERM; echo >%s; until [ -e %s.open ]; do sleep 0.02; done"]]=]):format(gate, gate)))
      eventually(function() return io.open(gate) end)
      daemon:tell_to_stop()
      os.execute("kill -HUP " .. daemon.pid)
      harness.write(gate .. ".open", "")
      assert.equal(0, daemon:stop "0")
      connection:close()
    end)
  end)
end)
