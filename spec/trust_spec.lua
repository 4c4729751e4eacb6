-- How peers are reached and trusted: TLS, known hosts, proxies, sockets.

local certificates = require "spec.support.certificates"
local harness = require "spec.support.harness"
local harp = require "harp"
local socket = require "socket"

local raised = harness.raised

local function has(text, part)
  assert(tostring(text):find(part, 1, true), ("%q is not in: %s"):format(part, tostring(text)))
end

describe("trust:", function()
  local daemon, directory, authority, leaf

  setup(function()
    directory = harness.directory()
    daemon = harness.daemon()
    authority = certificates.make(directory, { authority = true })
    leaf = certificates.make(directory, { issuer = authority })
  end)

  teardown(harness.clean_up)

  local function fresh() return harness.directory() .. "/known_hosts" end

  -- A daemon, or what stands in for one, as a server with these options.
  local function server(peer, options)
    local all = { host = "127.0.0.1:" .. (peer.port or 1), user = "tester", password = "secret" }
    for name, v in pairs(options or {}) do all[name] = v end
    return harp.server(all)
  end

  -- Refused with a certificate error that says `why`.
  local function refused(peer, options, why)
    local failure = raised(server(peer, options).sum, 2, 3)
    assert.same({ "CommunicationError", "certificate" }, { failure.kind, failure.type })
    has(failure.message, why)
    return failure.message
  end

  local function daemon_with(made, chain)
    return harness.daemon{ settings = ("certificate = %q\nkey = %q"):format(chain or made.certificate, made.key) }
  end

  local function read(file)
    local lines = {}
    for line in io.lines(file) do lines[#lines + 1] = line end
    return lines
  end

  describe("a file of authorities", function()
    it("vouches for those it signed, also through others", function()
      local middle = certificates.make(directory, { issuer = authority, authority = true })
      local far = certificates.make(directory, { issuer = middle })
      local whole = daemon_with(far, certificates.chain(directory, far, middle))
      assert.equal(5, server(whole, { ca_file = authority.certificate }).sum(2, 3))
      assert.equal("server 127.0.0.1:" .. whole.port .. " (TLS, by its own authority) as tester",
        tostring(server(whole, { ca_file = authority.certificate })))
      local broken = daemon_with(far)
      refused(broken, { ca_file = authority.certificate }, "unknown authority: none in " .. authority.certificate)
    end)

    it("vouches for nobody else, and not for another name or time", function()
      refused(daemon, { ca_file = authority.certificate }, "unknown authority")
      local own = { ca_file = authority.certificate }
      local other = daemon_with(certificates.make(directory, { issuer = authority, names = "DNS:web01" }))
      refused(other, own, 'wrong name: the peer\'s certificate is not for "127.0.0.1"')
      local old = daemon_with(certificates.make(directory, { issuer = authority, days = -1 }))
      refused(old, own, "expired")
    end)

    it("must be one", function()
      for _, file in ipairs{ "/no/such", authority.key } do
        refused(daemon, { ca_file = file }, "cannot use the authorities in " .. file)
      end
    end)

    it("can be the system's", function()
      refused(daemon, { verify = "system" }, "unknown authority: none of the system's")
      has(server(daemon, { verify = "system" }), "(TLS, by the system's authorities)")
    end)
  end)

  describe("a pin", function()
    it("names the one key that is right", function()
      assert.equal(5, server(daemon, { pin = daemon.pin }).sum(2, 3))
      has(server(daemon, { pin = daemon.pin }), "(TLS, pinned)")
      has(refused(daemon, { pin = leaf.pin }, "pin mismatch"), daemon.pin)
    end)

    it("is refused when it cannot be one", function()
      for _, pin in ipairs{ "", "sha256//", "sha256//x=", leaf.pin .. "=", leaf.pin:sub(1, -2), leaf.pin:sub(9),
        leaf.pin:gsub("^sha256", "sha512"), leaf.pin .. ";" .. daemon.pin, ("sha256//%s_="):format(("A"):rep(42)),
        "sha256//" .. ("A"):rep(42) .. "B=", 7, true } do
        has(raised(server, daemon, { pin = pin }), 'pin must be "sha256//"')
      end
    end)
  end)

  describe("at first use", function()
    it("a peer's key is remembered, and asked for from then on", function()
      local file = fresh()
      local options = { known_hosts = file }
      assert.equal(5, server(daemon, options).sum(2, 3))
      assert.same({ ("127.0.0.1:%d %s"):format(daemon.port, daemon.pin) }, read(file))
      assert.equal("600\n", (harness.shell("stat -c %a " .. file)))
      assert.equal(5, server(daemon, options).sum(2, 3))
      assert.equal(5, server(daemon, { host = "LocalHost:" .. daemon.port, known_hosts = file }).sum(2, 3))
      assert.equal(5, server(daemon, { host = "localhost:" .. daemon.port, known_hosts = file }).sum(2, 3))
      assert.equal(2, #read(file))
      has(read(file)[2], "localhost:")
      has(server(daemon, options), "(TLS, known host)")
    end)

    it("the file is of the user: $XDG_STATE_HOME, or in the home directory", function()
      local home = harness.directory()
      local call = ([[HARP_USER=tester HARP_PASSWORD=secret %s -e '
        print(require"harp".server{host="127.0.0.1:%d"}.sum(2,3))']]):format(harness.program, daemon.port)
      for environment, path in pairs{
        [("XDG_STATE_HOME=%s/a/b HOME=/no/such"):format(home)] = "/a/b/harp",
        [("XDG_STATE_HOME= HOME=%s"):format(home)] = "/.local/state/harp",
        [("XDG_STATE_HOME=not/absolute HOME=%s/c"):format(home)] = "/c/.local/state/harp",
      } do
        assert.equal("5\n", (harness.shell(("umask 0; %s %s 2>&1"):format(environment, call))))
        local modes = harness.shell(("cd %s%s && stat -c %%a . known_hosts"):format(home, path))
        assert.equal("700\n600\n", modes)
      end
      has(harness.shell(("XDG_STATE_HOME=/proc %s 2>&1"):format(call)),
        "cannot be written: /proc/harp/known_hosts: No such file or directory")
    end)

    it("and when it has changed, nothing is sent", function()
      local heard, file = harness.directory() .. "/heard", fresh()
      local other = certificates.make(directory)
      local peer = harness.peer("tls_peer", { keys = { leaf, other }, heard = heard })
      harness.write(file, "# who is who\n\nelsewhere:1 " .. other.pin .. "\n")
      assert.equal("answer", server(peer, { known_hosts = file }).anything())
      local message = refused(peer, { known_hosts = file }, "the peer's key has changed, it is " .. other.pin)
      has(message, "remove line 4 of " .. file)
      assert.equal(1, #read(heard))
      peer:stop "KILL"
    end)

    it("a daemon with a new key is refused until its line is removed", function()
      local file = fresh()
      local first = daemon_with(leaf)
      assert.equal(5, server(first, { known_hosts = file }).sum(2, 3))
      assert.equal(0, first:stop())
      local other = certificates.make(directory)
      local second = harness.daemon{ settings = ("certificate = %q\nkey = %q\nlisten = '127.0.0.1:%d'"):format(
        other.certificate, other.key, first.port) }
      refused(second, { known_hosts = file }, "remove line 1 of " .. file)
      harness.write(file, "")
      assert.equal(5, server(second, { known_hosts = file }).sum(2, 3))
      second:stop()
    end)

    it("any of a peer's lines will do, and what people write into the file", function()
      local name = "127.0.0.1:" .. daemon.port
      local file = harness.write(fresh(), ("# x\n%s %s\r\n  %s \t%s"):format(name, leaf.pin, name, daemon.pin))
      assert.equal(5, server(daemon, { known_hosts = file }).sum(2, 3))
      assert.equal(3, #read(file))
      file = harness.write(file, "LOCALHOST:" .. daemon.port .. " " .. daemon.pin)
      assert.equal(5, server(daemon, { host = "localhost:" .. daemon.port, known_hosts = file }).sum(2, 3))
      assert.equal(1, #read(file))
      assert.equal(5, server(daemon, { known_hosts = file }).sum(2, 3))
      assert.same({ "LOCALHOST:" .. daemon.port .. " " .. daemon.pin, name .. " " .. daemon.pin }, read(file))
    end)

    it("a file that cannot be used is an error, and nothing is sent", function()
      local heard = harness.directory() .. "/heard"
      local peer = harness.peer("tls_peer", { certificate = leaf.certificate, key = leaf.key, heard = heard })
      local text = harness.write(fresh(), "x:1 " .. leaf.pin .. "\nx:2\n")
      for file, why in pairs{
        ["/no/such/file"] = "cannot be written: /no/such/file: No such file",
        [text .. "/x"] = "cannot be read: " .. text .. "/x: Not a directory",
        [directory] = "cannot be read: " .. directory,
        ["/dev/null"] = "cannot be read: /dev/null",
        ["/proc/known_hosts"] = "cannot be written: /proc/known_hosts",
        [text] = "cannot be read: " .. text .. ': line 2 is not "host:port sha256//…"',
      } do
        local failure = raised(server(peer, { known_hosts = file }).anything)
        assert.same({ "CommunicationError", "known_hosts" }, { failure.kind, failure.type })
        has(failure.message, why)
        has(failure.message, "give a pin, a ca_file or another known_hosts file, or verify = false")
      end
      assert.is_nil(io.open(heard))
      peer:stop "KILL"
    end)

    it("processes that meet the same peers at the same time agree", function()
      local file, heard = fresh(), harness.directory() .. "/heard"
      local peer = harness.peer("tls_peer", { keys = { leaf, certificates.make(directory) }, heard = heard })
      local output = harness.shell(([[for i in 1 2 3 4 5 6; do for port in %d %d; do
        %s -e 'local h = require"harp"
          print(pcall(h.server{host="127.0.0.1:'$port'",user="tester",password="secret",known_hosts=%q,
            connect_timeout=50}.sum,2,3))' &
        done; done; wait]]):format(daemon.port, peer.port, harness.program, file))
      local _, sums = output:gsub("true\t5\n", "")
      local _, answers = output:gsub("true\tanswer\n", "")
      local _, changes = output:gsub("false\t[^\n]*the peer's key has changed", "")
      assert.same({ 6, 3, 3, 3, 2 }, { sums, answers, changes, #read(heard), #read(file) })
      peer:stop "KILL"
    end)

    it("waits for a file that someone has locked", function()
      local file, note = harness.write(fresh(), ""), harness.directory() .. "/note"
      local holder = io.popen(("flock %s sh -c 'echo; sleep 0.2; echo >%s'"):format(file, note))
      holder:read "l"
      assert.equal(5, server(daemon, { known_hosts = file }).sum(2, 3))
      assert.equal("\n", harness.read(note))           -- the last that it did with the lock
      holder:close()
    end)

    it("the local stack is pinned, and leaves no trace", function()
      local home = harness.directory()
      local output = harness.shell(([[XDG_STATE_HOME=%s %s --local -e 'local h = require"harp"
        local s = h.server{host="localhost",known_hosts="/no/such",tls="legacy",proxy="http://none:1"}
        print(tostring(s):match"%%((.*)%%)", s.sum_and_difference(5, 3).sum, h.caller{host="localhost",tls=true})
        ' 2>&1; ls %s]]):format(home, harness.program, home))
      assert.truthy(output:find "^TLS, pinned\t8\tcaller at unix:[^\n(]*\n$", output)
    end)
  end)

  describe("a session that is resumed", function()
    local resuming

    setup(function()
      resuming = harness.daemon{ settings = ("certificate = %q\nkey = %q\nlog_level = 'debug'"):format(
        leaf.certificate, leaf.key) }
    end)

    local function count(kind) return select(2, harness.read(resuming.log):gsub("session=" .. kind, "")) end

    it("saves the handshake's certificate, also from one process of a daemon to another", function()
      local file = fresh()
      for i, options in ipairs{ { pin = leaf.pin }, { known_hosts = file }, { ca_file = authority.certificate },
        { verify = false } } do
        for _ = 1, 3 do assert.equal(5, server(resuming, options).sum(2, 3)) end
        assert.same({ i, 2 * i }, { count "new", count "resumed" })
      end
    end)

    it("does not make anyone trusted who is not", function()
      refused(resuming, { pin = daemon.pin }, "pin mismatch: the peer's key is " .. leaf.pin)
      local file = harness.write(fresh(), ("127.0.0.1:%d %s\n"):format(resuming.port, daemon.pin))
      refused(resuming, { known_hosts = file }, "the peer's key has changed, it is " .. leaf.pin)
      refused(resuming, { verify = "system" }, "unknown authority")
      refused(resuming, { ca_file = daemon.certificate }, "unknown authority")
      assert.equal(5, server(resuming, { pin = leaf.pin }).sum(2, 3))
    end)
  end)

  it("can be given up, in so many words", function()
    assert.equal(5, server(daemon, { verify = false }).sum(2, 3))
    has(server(daemon, { verify = false }), "(TLS, not verified)")
  end)

  describe("an old peer", function()
    local peer

    setup(function()
      peer = harness.peer("tls_peer", { certificate = leaf.certificate, key = leaf.key, protocol = "tlsv1",
        ciphers = "DEFAULT@SECLEVEL=0" })
    end)

    it("is refused, by an error that says what would accept it", function()
      local failure = raised(server(peer, { pin = leaf.pin }).anything)
      assert.equal("tls", failure.type)
      has(failure.message, "protocol version")
      has(failure.message, 'tls = "legacy"')
    end)

    it("is accepted when it is said to be one, and verified all the same", function()
      assert.equal("answer", server(peer, { pin = leaf.pin, tls = "legacy" }).anything())
      assert.equal("answer", server(peer, { ca_file = authority.certificate, tls = "legacy" }).anything())
      refused(peer, { pin = daemon.pin, tls = "legacy" }, "pin mismatch")
      has(server(peer, { pin = leaf.pin, tls = "legacy" }), "(TLS, pinned, legacy)")
      assert.equal(5, server(daemon, { pin = daemon.pin, tls = "legacy" }).sum(2, 3))
    end)
  end)

  it("a peer that wants a certificate gets it", function()
    for _, protocol in ipairs{ "tlsv1_2", "tlsv1_3" } do
      local peer = harness.peer("tls_peer", { certificate = leaf.certificate, key = leaf.key,
        ca = authority.certificate, protocol = protocol })
      local both = certificates.chain(directory, leaf, { certificate = leaf.key })
      local options = { pin = leaf.pin, cert_file = leaf.certificate, key_file = leaf.key }
      assert.equal("answer", server(peer, options).anything())
      assert.equal("answer", server(peer, { pin = leaf.pin, cert_file = both }).anything())
      local failure = raised(server(peer, { pin = leaf.pin }).anything)
      assert.equal(protocol == "tlsv1_3" and "certificate" or "tls", failure.type)
      has(failure.message, "cert_file")
      local stranger = certificates.make(directory)
      options.cert_file, options.key_file = stranger.certificate, stranger.key
      refused(peer, options, "the peer does not take our certificate: unknown CA")
      local old = certificates.make(directory, { issuer = authority, days = -1 })
      options.cert_file, options.key_file = old.certificate, old.key
      refused(peer, options, "the peer does not take our certificate: certificate expired")
      peer:stop "KILL"
    end
  end)

  it("a certificate of ours that cannot be used is an error, and no question", function()
    refused(daemon, { pin = daemon.pin, cert_file = "/no/such" }, "/no/such")
    refused(daemon, { pin = daemon.pin, cert_file = leaf.certificate, key_file = authority.key }, authority.key)
    local locked = directory .. "/locked"
    harness.shell(("openssl pkey -in %s -aes128 -passout pass:x -out %s"):format(leaf.key, locked))
    refused(daemon, { pin = daemon.pin, cert_file = leaf.certificate, key_file = locked }, locked)
  end)

  describe("a dispatcher", function()
    local dispatcher, peer

    setup(function()
      dispatcher = harness.dispatcher{ daemon = daemon }
      peer = harness.peer("tls_peer", { certificate = leaf.certificate, key = leaf.key, forward = dispatcher.port })
    end)

    local function caller(options)
      options.host, options.tls = "127.0.0.1:" .. peer.port, options.tls or true
      return harp.caller(options)
    end

    it("is reached over TLS", function()
      local file = fresh()
      for _, options in ipairs{ { known_hosts = file }, { known_hosts = file }, { pin = leaf.pin },
        { ca_file = authority.certificate }, { verify = false }, { pin = leaf.pin, tls = "legacy" } } do
        local rpc = caller(options)
        assert.equal(3, rpc.localhost.sum(1, 2):get())
        assert.equal(5, #rpc.localhost.count(5):follow{ since = 0 }:all())
      end
      assert.same({ ("127.0.0.1:%d %s"):format(peer.port, leaf.pin) }, read(file))
      assert.equal(200000, #caller{ pin = leaf.pin }.localhost.text(200000):get())
    end)

    it("that is slow to read gets many large requests whole", function()
      harp.run(function()
        local rpc = caller{ pin = leaf.pin }
        assert.equal(3, rpc.localhost.sum(1, 2):get())
        os.execute("kill -STOP " .. peer.pid)
        local tasks = {}
        for i = 1, 12 do
          tasks[i] = harp.spawn(function() return rpc.refused.echo(("x"):rep(900000)):id() end)
        end
        harp.sleep(0.2)
        os.execute("kill -CONT " .. peer.pid)
        assert.equal(12, #harp.all(tasks))
      end)
    end)

    it("has not refused to be spoken to when it breaks off later", function()
      local other = harness.peer("tls_peer", {
        certificate = leaf.certificate, key = leaf.key, forward = dispatcher.port,
      })
      local proxy = harness.proxy(other)
      local rpc = harp.caller{ host = proxy.address, tls = true, pin = leaf.pin, retry_for = 0 }
      local job = rpc.localhost.sum(1, 2)
      assert.equal(3, job:get())
      proxy:corrupt{ from = "client", at = 20, now = true }
      local failure = raised(job.status, job)       -- by an alert
      assert.truthy(failure.type == "econnreset" or failure.type == "closed", tostring(failure))
      proxy:stop "KILL"
      other:stop "KILL"
    end)

    it("is trusted as a daemon is, and shows how", function()
      assert.equal("certificate", raised(caller{ pin = daemon.pin }.localhost.sum, 1, 2).type)
      local file = harness.write(fresh(), ("127.0.0.1:%d %s\n"):format(peer.port, daemon.pin))
      has(raised(caller{ known_hosts = file }.localhost.sum, 1, 2), "has changed")
      assert.equal(("caller at 127.0.0.1:%d (TLS, known host)"):format(peer.port), tostring(caller{}))
      assert.equal(("caller at 127.0.0.1:%d (TLS, pinned, legacy)"):format(peer.port),
        tostring(caller{ tls = "legacy", pin = leaf.pin }))
      assert.equal("caller at x:3502", tostring(harp.caller{ host = "x" }))
    end)

    it("that is plain is told apart", function()
      local failure = raised(harp.caller{ host = "127.0.0.1:" .. dispatcher.port, tls = true, verify = false,
        connect_timeout = 2 }.localhost.sum, 1, 2)
      assert.truthy(failure.type == "tls" or failure.type == "etimedout", tostring(failure))
    end)
  end)

  describe("a proxy", function()
    local gateway, secured, log, dispatcher, web01

    setup(function()
      log = harness.directory() .. "/log"
      gateway = harness.peer("gateway", { log = log, hosts = { web01 = "127.0.0.1" } })
      secured = harness.peer("gateway", { user = "me", password = "p@ss word" })
      dispatcher = harness.dispatcher{ daemon = daemon }
      web01 = daemon_with(certificates.make(directory, { issuer = authority, names = "DNS:web01" }))
    end)

    local function last(file)
      local lines = read(file)
      return lines[#lines]
    end

    it("is gone through to a daemon, whose name is what is verified", function()
      local name = "web01:" .. web01.port
      for kind, request in pairs{ socks5h = "name", socks4a = "name", http = "connect" } do
        local proxy = ("%s://127.0.0.1:%d"):format(kind, gateway.port)
        local through = server(web01, { host = name, proxy = proxy, ca_file = authority.certificate })
        assert.equal(5, through.sum(2, 3))
        assert.equal(("%s web01 %d"):format(request, web01.port), last(log))
        assert.equal(("server %s (TLS, by its own authority, via %s) as tester"):format(name, proxy), tostring(through))
        local file = fresh()
        assert.equal(5, server(web01, { host = name, proxy = proxy, known_hosts = file }).sum(2, 3))
        has(last(file), name .. " sha256//")
      end
      local proxy = "socks5://127.0.0.1:" .. gateway.port
      assert.equal(5, server(daemon, { host = "localhost:" .. daemon.port, proxy = proxy, verify = false }).sum(2, 3))
      assert.truthy(last(log):find "^address [%d.]+ ", last(log))
    end)

    it("is gone through to a dispatcher, plain too", function()
      for _, kind in ipairs{ "socks5h", "socks5", "socks4a", "http" } do
        local proxy = ("%s://127.0.0.1:%d"):format(kind, gateway.port)
        local rpc = harp.caller{ host = "127.0.0.1:" .. dispatcher.port, proxy = proxy }
        assert.equal(3, rpc.localhost.sum(1, 2):get())
        assert.equal(5, #rpc.localhost.count(5):follow{ since = 0 }:all())
        has(last(log), "127.0.0.1 " .. dispatcher.port)
        assert.equal(("caller at 127.0.0.1:%d (via %s)"):format(dispatcher.port, proxy), tostring(rpc))
      end
    end)

    it("that cannot reach a dispatcher for a moment is asked again, once it could", function()
      local way = harness.proxy(dispatcher)
      for _, kind in ipairs{ "socks5h", "socks4a", "http" } do
        local rpc = harp.caller{ host = way.address, proxy = ("%s://127.0.0.1:%d"):format(kind, gateway.port) }
        local job = rpc.localhost.sum(1, 2)
        assert.equal(3, job:get())
        way:refuse{ seconds = 0.2 }
        way:cut_all()
        assert.equal(3, job:get())
        way:refuse()
        local own = harp.caller{ host = way.address, proxy = ("%s://127.0.0.1:%d"):format(kind, gateway.port) }
        assert.equal("proxy", raised(function() own:job(job:id()):get() end).type)
        way:listen()
      end
    end)

    it("may want a password, which is never shown", function()
      for _, kind in ipairs{ "socks5h", "http" } do
        local function through(secret, host)
          local proxy = ("%s://%s127.0.0.1:%d"):format(kind, secret, secured.port)
          return server(daemon, { host = host, proxy = proxy, verify = false })
        end
        assert.equal(5, through "me:p%40ss%20word@".sum(2, 3))
        local shown = tostring(through "me:p%40ss%20word@")
        has(shown, ("via %s://127.0.0.1:%d)"):format(kind, secured.port))
        for _, secret in ipairs{ "me:hunter2@", "" } do
          local failure = raised(through(secret).sum, 2, 3)
          assert.equal("proxy", failure.type)
          has(failure.message, ("127.0.0.1:%d via %s://127.0.0.1:%d: "):format(daemon.port, kind, secured.port))
          shown = shown .. tostring(failure)
        end
        shown = shown .. tostring(raised(through("me:p%40ss%20word@", "nowhere.invalid").sum, 2, 3))
        for _, secret in ipairs{ "hunter2", "p%40ss", "p@ss", "me:" } do
          assert.is_nil(shown:find(secret, 1, true), shown)
        end
      end
    end)

    it("that is not there, or not good, is an error that names it", function()
      local failure = raised(server(daemon, { verify = false, proxy = "socks5h://127.0.0.1:1" }).sum)
      assert.equal("econnrefused", failure.type)
      has(failure.message, "via socks5h://127.0.0.1:1")
      failure = raised(server(daemon, { verify = false, proxy = "http://nowhere.invalid:1" }).sum)
      assert.equal("nxdomain", failure.type)
      for _, proxy in ipairs{ "hunter2", "127.0.0.1:1", "ftp://a:hunter2@b:1", "https://b:hunter2@b:1", "socks5h://b",
        "socks5h://u:hunter2@", "http://u:hunter2@b:99999", "http://u:hunter2@b:1/x", "socks5h://u:hunter2%00@b:1",
        "socks5h://u:hunter2@b c:1" } do
        failure = raised(server, daemon, { proxy = proxy })
        assert.equal("bad_address", failure.type)
        has(failure, "bad proxy")
        assert.is_nil(tostring(failure):find("hunter2", 1, true), tostring(failure))
      end
      has(raised(harp.caller, { host = "unix:/x", proxy = "http://x:1" }), "a unix socket is not behind a proxy")
    end)

    it("is never one of the environment's", function()
      local code = ([[local h = require"harp" print(h.server{host="127.0.0.1:%d",user="tester",password="secret",
        verify=false,proxy=os.getenv"PROXY"}.sum(2,3))]]):format(daemon.port)
      local function run(environment)
        return (harness.shell(("%s %s -e '%s' 2>&1"):format(environment, harness.program, code)))
      end
      assert.equal("5\n", run "https_proxy=http://127.0.0.1:1 ALL_PROXY=socks5://127.0.0.1:1")
      has(run "no_proxy=127.0.0.1 PROXY=socks5h://127.0.0.1:1", "econnrefused")
    end)
  end)

  describe("a daemon and a dispatcher", function()
    local function pair(address)
      local other = harness.daemon{ settings = ("listen = %q"):format(address "daemon") }
      return other, harness.dispatcher{ daemon = daemon, listen = address "dispatcher" }
    end

    it("are reached over IPv6", function()
      if not io.open "/proc/net/if_inet6" or not socket.udp6():setsockname("::1", 0) then
        return pending "this machine has no IPv6"
      end
      local other, dispatcher = pair(function() return "[::1]:0" end)
      local file = fresh()
      assert.equal(5, server(other, { host = "[::1]:" .. other.port, known_hosts = file }).sum(2, 3))
      assert.equal(5, server(other, { host = "::1", port = other.port, known_hosts = file }).sum(2, 3))
      assert.same({ ("[::1]:%d %s"):format(other.port, other.pin) }, read(file))
      assert.equal(3, harp.caller("[::1]:" .. dispatcher.port).localhost.sum(1, 2):get())
    end)

    it("are reached over unix sockets, whose paths are names too", function()
      local home = harness.directory() .. "/a b"
      harness.shell(("mkdir '%s'"):format(home))
      local other, dispatcher = pair(function(name) return ("unix:%s/%s"):format(home, name) end)
      local file = fresh()
      for _ = 1, 2 do assert.equal(5, server(other, { host = other.address, known_hosts = file }).sum(2, 3)) end
      assert.same({ ("unix:%s/daemon %s"):format(home, other.pin) }, read(file))
      assert.equal(5, server(other, { host = other.address, ca_file = other.certificate }).sum(2, 3))
      assert.equal(3, harp.caller(dispatcher.address).localhost.sum(1, 2):get())
      local odd = "unix:" .. home .. "/x\ny"
      harness.shell(("ln '%s/daemon' '%s'"):format(home, odd:sub(6)))
      has(raised(server(other, { host = odd, known_hosts = file }).sum, 2, 3), "cannot have a peer of that name")
    end)
  end)

  describe("a connection", function()
    -- Besides those that others have opened, and may have closed since.
    local function inherited()
      return select(2, harness.shell "ls -l /proc/self/fd":gsub("socket:", ""))
    end

    it("is watched over: kept alive, closed in children", function()
      local before = inherited()
      local stream <close> = server(daemon, { pin = daemon.pin }).count(3, 100)
      stream()
      local output = harness.shell(("ss -Htno state established dport = :%d"):format(daemon.port))
      local seconds = tonumber(output:match "timer:%(keepalive,(%d+)sec")
      assert.truthy(seconds and seconds >= 20 and seconds <= 30, output)
      assert.is_true(inherited() <= before)
    end)

    it("whose peer has hung up stays ours when another one is made", function()
      local dispatcher = harness.dispatcher{ daemon = daemon }
      local rpc = harp.caller(dispatcher.address)
      local job = rpc.localhost.count(3)
      job:get()
      local secured, plain = server(daemon, { pin = daemon.pin }).count(3), job:stream()
      secured()
      plain()
      socket.sleep(1.1)         -- libcurl looks at its connections once a second
      assert.equal(3, rpc.localhost.sum(1, 2):get())
      assert.equal(2, #plain:all())
      assert.equal(3, #secured:all())
    end)

    it("that is not made in time is no timeout of the call", function()
      local silent = assert(socket.bind("127.0.0.1", 0))
      local peer = { port = select(2, silent:getsockname()) }
      assert.is_true(harness.seconds(function()
        local failure = raised(server(peer, { verify = false, connect_timeout = 0.2 }).anything)
        assert.equal("etimedout", failure.type)
        failure = raised(server(daemon, { proxy = ("socks5h://127.0.0.1:%d"):format(peer.port),
          connect_timeout = 0.2 }).anything)
        assert.equal("etimedout", failure.type)
      end) < 10)                -- which is the default
      silent:close()
    end)

    it("to what speaks no TLS is an error of type tls", function()
      local silent = assert(socket.bind("127.0.0.1", 0))
      local port = select(2, silent:getsockname())
      harp.run(function()
        local call, client = harp.spawn(pcall, server({ port = port }, { verify = false }).anything), nil
        silent:settimeout(0)
        harness.eventually(function()
          harp.sleep(0.01)
          client = silent:accept()
          return client
        end)
        client:send "220 hello\r\n"
        local _, failure = call:join()
        assert.equal("tls", failure.type)
        has(failure.message, "may not speak TLS")
        client:close()
      end)
      silent:close()
    end)
  end)

  describe("an option", function()
    it("that cannot be meant is refused at once", function()
      for text, options in pairs{
        ["harp.server: port must be an integer from 1 to 65535"] = { port = 0 },
        ["port must be"] = { port = "4306" },
        ["host must be a name"] = { host = 7 },
        ['tls must be true, false or "legacy"'] = { tls = "old" },
        ["a daemon speaks nothing but TLS"] = { tls = false },
        ['verify must be "system" or false'] = { verify = "sytem" },
        ["ca_file must be the path of a file"] = { ca_file = "" },
        ["cert_file must be"] = { cert_file = "a\0b" },
        ["connect_timeout must be a number of seconds above 0"] = { connect_timeout = 1 / 0 },
        ["connect_timeout must be"] = { connect_timeout = 0 },
        ["ca_file and pin exclude each other"] = { pin = daemon.pin, ca_file = "/x" },
        ["pin and verify exclude each other"] = { pin = daemon.pin, verify = false },
        ["known_hosts and verify exclude"] = { known_hosts = "/x", verify = "system" },
        ["key_file is of no use without cert_file"] = { key_file = "/x" },
        ['harp.server has no option "ca_fiel"'] = { ca_fiel = "/x" },
      } do
        local ok, failure = pcall(server, daemon, options)
        assert.is_false(ok, text)
        has(failure, text)
      end
      has(raised(harp.caller, { pin = daemon.pin }), "harp.caller: pin is of no use without tls = true")
      has(raised(harp.caller, { tls = false, verify = false }), "verify is of no use without tls = true")
      has(raised(harp.caller, { host = "x\0y" }), "bad address")
      assert.equal(5, server(daemon, { pin = daemon.pin, verify = true }).sum(2, 3))
    end)
  end)
end)
