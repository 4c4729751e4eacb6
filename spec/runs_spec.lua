-- What becomes of a job's call to its daemon: limits, failures, trust, caps.

local certificates = require "spec.support.certificates"
local harness = require "spec.support.harness"
local harp = require "harp"
local socket = require "socket"

local eventually, seconds = harness.eventually, harness.seconds

describe("a job's run", function()
  local daemon, dispatcher, odd, directory, authority, heard

  -- Of that name it is reached at that port, with these settings.
  local function entry(name, port, settings)
    return ("hosts.%s = { address = '127.0.0.1', port = %d, user = 'tester', password = 'secret', %s }\n"):format(
      name, port, settings)
  end

  local function start(settings, before)
    return harness.dispatcher{ daemon = daemon, settings = settings, before = before }
  end

  local function request(fields, server)
    fields.harpcaller = 1
    return harp.decode(harness.ask(server or dispatcher, harp.encode(fields) .. "\n")[1])
  end

  local function submit(procedure, arguments, options, server)
    local fields = { host = "localhost", procedure = procedure, arguments = harp.array(arguments or {}) }
    for name, v in pairs(options or {}) do fields[name] = v end
    local reply = request(fields, server)
    return assert(reply.job_id, harp.encode(reply))
  end

  local function outcome(id, server) return request({ get_result = id, wait = true }, server) end
  local function run(...) return outcome(submit(...), select(4, ...)) end

  local function times(id, server) return request({ get_status = id }, server).time end

  -- The error that a call of this host ends with.
  local function failure(host, procedure, options, server)
    options = options or {}
    options.host = host
    return assert(run(procedure or "sum", { 1, 2 }, options, server).error)
  end

  local function last_heard()
    local file = io.open(heard)
    if not file then return end
    local text = file:read "a"
    file:close()
    return text:match "([^\n]*)\n$"
  end

  setup(function()
    directory = harness.directory()
    heard = directory .. "/heard"
    daemon = harness.daemon()
    authority = certificates.make(directory, { authority = true })
    local made = certificates.make(directory)
    odd = harness.peer("odd_daemon", { certificate = made.certificate, key = made.key, heard = heard })
    odd.pin = made.pin
    dispatcher = start(entry("odd", odd.port, ("pin = %q"):format(odd.pin))
      .. entry("hasty", odd.port, ("pin = %q, accept_timeout = 1"):format(odd.pin)) .. "max_answer = 1000000")
  end)

  teardown(harness.clean_up)

  describe("has limits", function()
    -- Are they off the time of a call that takes so long by less than a tenth
    -- of a second? Of both the shortest of some tries counts.
    local function are_exact(time, procedure, arguments, options)
      local limited, called = math.huge, math.huge
      return (harness.is_below(0.1, function()
        limited = math.min(limited, seconds(run, procedure, arguments, options))
        called = math.min(called, seconds(run, "sleep", { time }))
        return math.abs(limited - called)
      end))
    end

    it("to a tenth of a second", function()
      assert.is_true(are_exact(0.5, "sleep", { 100 }, { timeout = 0.5 }))
      assert.is_true(are_exact(0.6, "count", { 100, 0.05 }, { max_exec_time = 0.6 }))
    end)

    it("whose silence begins anew with each packet", function()
      eventually(function()     -- though a busy machine may break it once
        local reply
        local time = seconds(function() reply = run("count", { 5, 0.3 }, { timeout = 1.2 }) end)
        return reply.result and time > 1.4
      end)
      assert.same({ type = "timeout", message = "reading result timed out" },
        failure("odd", "mute_stream", { timeout = 0.2 }))
    end)

    it("for the daemon to take the call, apart from those of the job", function()
      assert.is_true(seconds(function()
        assert.same({ type = "timeout", message = "request timed out" }, failure("hasty", "mute"))
      end) > 0.9)
      eventually(function() return last_heard() == "mute closed" end)
      assert.same({ type = "timeout", message = "maximum execution time exceeded" },
        failure("odd", "mute", { max_exec_time = 0.2 }))
      eventually(function()     -- it has taken the call in time, but for a busy machine
        return failure("hasty", "mute_after", { timeout = 1.5 }).message == "reading result timed out"
      end)
      eventually(function() return last_heard() == "mute_after closed" end)
    end)

    it("for the connection, for all hosts or for one", function()
      local silent = assert(socket.bind("127.0.0.1", 0))
      local port = select(2, silent:getsockname())
      local server = start("connect_timeout = 0.3\n" .. entry("silent", port, "verify = false")
        .. entry("patient", port, "verify = false, connect_timeout = 0.9"))
      assert.is_true(harness.is_below(-0.3, function()
        local short = seconds(function()
          local error = failure("silent", "sum", nil, server)
          assert.equal("etimedout", error.type)
          assert.equal(("127.0.0.1:%d: connecting took too long"):format(port), error.message)
        end)
        return short - seconds(failure, "patient", "sum", nil, server)
      end))
      assert.equal(0, server:stop())
      silent:close()
    end)
  end)

  describe("ends with an error when the daemon", function()
    it("cannot be reached", function()
      local error = failure "refused"
      assert.equal("econnrefused", error.type)
      assert.truthy(error.message:find("127.0.0.1:1: ", 1, true))
      assert.equal("nxdomain", failure "nowhere".type)
    end)

    it("closes the connection", function()
      for _, name in ipairs{ "close", "close_after", "close_inside" } do
        assert.equal("closed", failure("odd", name).type, name)
      end
    end)

    it("speaks nonsense, or out of order", function()
      for _, name in ipairs{ "garbage", "garbage_after", "early", "twice", "packet", "two_in_one", "no_message" } do
        assert.equal("bad_protocol", failure("odd", name).type, name)
      end
    end)

    it("sends a line without an end", function()
      local error = failure("odd", "endless")
      assert.equal("bad_protocol", error.type)
      assert.truthy(error.message:find "a line of more than 1000000 bytes", error.message)
      eventually(function() return last_heard() == "endless closed" end)
    end)

    it("says so, also after packets", function()
      assert.same({ type = "system_error", message = "disk", data = { 7 } }, failure("odd", "odd_error"))
    end)

    it("dies without a word", function()
      local made = certificates.make(directory)
      local mortal = harness.peer("odd_daemon", { certificate = made.certificate, key = made.key, heard = heard })
      local server = start(entry("mortal", mortal.port, ("pin = %q"):format(made.pin)))
      assert.equal("closed", failure("mortal", "rude", nil, server).type)
      assert.equal(0, server:stop())
    end)

    it("speaks no TLS", function()
      local server = start(entry("plain", dispatcher.port, "verify = false"))
      assert.equal("tls", failure("plain", "sum", nil, server).type)
      assert.equal(0, server:stop())
    end)
  end)

  describe("when it is cancelled", function()
    -- Cancelled once `begun()`.
    local function cancel(host, procedure, begun, server)
      local id = submit(procedure, {}, { host = host }, server)
      eventually(begun)
      assert.is_true(seconds(function()
        assert.same({ cancelled = true }, request({ cancel = id }, server))
      end) < harness.PATIENCE)
      assert.same({ cancelled = true }, outcome(id, server))
    end

    it("hangs up on the daemon, before it has taken the call and after", function()
      for _, name in ipairs{ "mute", "mute_after", "mute_stream" } do
        cancel("odd", name, function() return last_heard() == name .. " waiting" end)
        eventually(function() return last_heard() == name .. " closed" end)
        os.remove(heard)
      end
    end)

    it("stops to connect", function()
      local silent = assert(socket.bind("127.0.0.1", 0))
      silent:settimeout(harness.PATIENCE)
      local server = start(entry("silent", select(2, silent:getsockname()), "verify = false, connect_timeout = 100"))
      local client
      cancel("silent", "sum", function()
        client = assert(silent:accept())
        return client
      end, server)
      client:settimeout(harness.PATIENCE)
      assert.truthy(client:receive "*a")         -- the hello of TLS, and the end
      client:close()
      silent:close()
      assert.equal(0, server:stop())
    end)
  end)

  describe("trusts a daemon", function()
    local good, server, leaf, other

    setup(function()
      leaf, other = certificates.make(directory, { issuer = authority }), certificates.make(directory)
      good = harness.daemon{ settings = ("certificate = %q\nkey = %q"):format(leaf.certificate, leaf.key) }
      local function daemon_with(options)
        options.issuer = authority
        local made = certificates.make(directory, options)
        return harness.daemon{ settings = ("certificate = %q\nkey = %q"):format(made.certificate, made.key) }
      end
      local named, expired = daemon_with{ names = "DNS:web01" }, daemon_with{ days = -1 }
      local old = harness.stock_daemon()
      local both = certificates.chain(directory, other, leaf)
      local known = directory .. "/known_hosts"
      local text = {}
      local function add(name, peer, ...) text[#text + 1] = entry(name, peer.port, (...):format(select(2, ...))) end
      add("by_default", good, "")
      add("system", good, "verify = 'system'")
      add("authority", good, "ca_file = %q", authority.certificate)
      add("wrong_authority", good, "ca_file = %q", other.certificate)
      add("wrong_name", named, "ca_file = %q", authority.certificate)
      add("expired", expired, "ca_file = %q", authority.certificate)
      add("pinned", good, "pin = %q", leaf.pin)
      add("wrong_pin", good, "pin = %q", other.pin)
      add("certs", good, "known_certs_file = %q", both)
      add("wrong_certs", good, "known_certs_file = %q", other.certificate)
      add("no_certs", good, "known_certs_file = %q", leaf.key)
      add("missing_certs", good, "known_certs_file = '/no/such'")
      add("first", good, "known_hosts = %q", known)
      add("anyone", good, "verify = false")
      add("old", old, "pin = %q, tls = 'legacy'", old.pin)
      add("wrong_old", old, "pin = %q, tls = 'legacy'", other.pin)
      add("too_old", old, "pin = %q", old.pin)
      add("two", good, "")
      harness.write(known, "")
      server = start("host_defaults = { ca_file = " .. ("%q"):format(authority.certificate) .. " }\n"
        .. table.concat(text))
    end)

    teardown(function() assert.equal(0, server:stop()) end)

    it("that it has reason to", function()
      for _, host in ipairs{ "by_default", "authority", "pinned", "certs", "first", "first", "anyone", "localhost" } do
        assert.same({ result = 3 }, run("sum", { 1, 2 }, { host = host }, server), host)
      end
      assert.equal(("127.0.0.1:%d %s\n"):format(good.port, leaf.pin), harness.read(directory .. "/known_hosts"))
    end)

    it("and no other", function()
      for host, message in pairs{
        system = "unknown authority: none of the system's", wrong_authority = "unknown authority",
        wrong_name = 'wrong name: the peer\'s certificate is not for "127.0.0.1"', expired = "expired",
        wrong_pin = "pin mismatch", wrong_certs = "unknown certificate: the peer's is none of the 1 in",
        no_certs = "no certificates in", missing_certs = "/no/such: No such file", wrong_old = "pin mismatch",
      } do
        local error = failure(host, "sum", nil, server)
        assert.equal("certificate", error.type, host)
        assert.truthy(error.message:find(message, 1, true), error.message)
      end
    end)

    it("of the stock kind when it is said to be one", function()
      assert.same({ result = 3 }, run("sum", { 1, 2 }, { host = "old" }, server))
      local error = failure("too_old", "sum", nil, server)
      assert.equal("tls", error.type)
      assert.truthy(error.message:find('tls = "legacy"', 1, true))
    end)
  end)

  describe("waits for its turn", function()
    -- So many calls of `host`, by their ids.
    local function many(n, host, server, procedure, arguments, options)
      local ids = {}
      for i = 1, n do
        local all = { host = host }
        for name, v in pairs(options or {}) do all[name] = v end
        ids[i] = submit(procedure or "sleep", arguments or { 100 }, all, server)
      end
      return ids
    end

    local function running(ids, server)
      local count = 0
      for _, id in ipairs(ids) do
        local time = times(id, server)
        if time.start ~= harp.null and time["end"] == harp.null then count = count + 1 end
      end
      return count
    end

    it("when its host has as many calls as it takes", function()
      local server = start("max_running_per_host = 2\nhosts.web01.max_running = 3")
      local first, second = many(7, "localhost", server), many(7, "web01", server)
      eventually(function() return running(first, server) == 2 and running(second, server) == 3 end)
      for _, list in ipairs{ first, second } do
        for _, id in ipairs(list) do
          eventually(function() return times(id, server).start ~= harp.null end)
          assert.same({ cancelled = true }, request({ cancel = id }, server))
        end
      end
      assert.equal(0, server:stop())
    end)

    it("and its limits do not count until then, and it can be cancelled", function()
      local server = start "max_running_per_host = 1"
      local first, cancelled = table.unpack(many(2, "localhost", server))
      assert.same({ cancelled = true }, request({ cancel = cancelled }, server))
      assert.equal(harp.null, times(cancelled, server).start)
      request({ cancel = first }, server)
      eventually(function()     -- a busy machine may delay one beyond its limits
        local slept = true
        for _, id in ipairs(many(3, "localhost", server, "sleep", { 0.8 }, { max_exec_time = 1.5, timeout = 1.5 })) do
          slept = outcome(id, server).result == "slept" and slept
        end
        return slept
      end)
      assert.equal(0, server:stop())
    end)

    it("without being kept back by the many of another host or queue", function()
      local server = start "max_running_per_host = 1\nmax_running = 2"
      local function queue(name) return { queue = { name = { q = name }, concurrency = 100 } } end
      local first = submit("sleep", { 100 }, nil, server)
      local crowd = many(100, "localhost", server, "sleep", { 0.05 }, queue "crowd")
      assert.same({ result = 3 }, run("sum", { 1, 2 }, { host = "web01" }, server))
      local other, plain = submit("sum", { 1, 2 }, queue "other", server), submit("sum", { 1, 2 }, nil, server)
      request({ cancel = first }, server)
      for _, id in ipairs{ other, plain } do assert.same({ result = 3 }, outcome(id, server)) end
      local log = harness.read(server.log)
      local function started(id) return log:find("started job=" .. id, 1, true) or math.huge end
      for _, id in ipairs{ other, plain } do assert.is_true(started(id) < started(crowd[60])) end
      server:stop()
    end)

    it("first in, first out, also of a queue that many hosts share", function()
      local server = start "max_running_per_host = 1"
      local file = os.tmpname()
      local ids = {}
      for i = 1, 9 do
        ids[i] = submit("mark", { file, tostring(i) }, { host = i % 2 == 0 and "web01" or "localhost",
          queue = { name = { shared = true } } }, server)
      end
      for _, id in ipairs(ids) do outcome(id, server) end
      assert.equal("1\n2\n3\n4\n5\n6\n7\n8\n9\n", harness.read(file))
      os.remove(file)
      assert.equal(0, server:stop())
    end)
  end)

  describe("takes memory", function()
    -- Bytes at most so far; nil under a sanitizer, which takes its own.
    local function peak(server)
      local text = harness.read("/proc/" .. server.pid .. "/status")
      if math.tointeger(text:match "VmPeak:%s*(%d+)") > 1 << 30 then return nil end
      return math.tointeger(text:match "VmHWM:%s*(%d+)") * 1024
    end

    -- How much more it takes for `fn`, in bytes.
    local function growth(fn)
      local server = start("")
      run("sum", { 1, 2 }, nil, server)
      local before = peak(server)
      fn(server)
      local after = peak(server)
      server:stop()
      return before and after - before or 0
    end

    it("of a few times a result or a packet", function()
      local size = 8 << 20
      assert.is_true(growth(function(server)
        assert.equal(size, #run("text", { size }, nil, server).result)
      end) < 4 * size)
      local echoed = ("x"):rep(1000000)
      assert.is_true(growth(function(server)
        assert.equal(echoed, run("echo", { echoed }, nil, server).result)
      end) < 12 * #echoed)
    end)

    it("that does not depend on how long a stream is, however fast", function()
      local function stream(n)
        return growth(function(server) run("count", { n }, nil, server) end)
      end
      assert.is_true(stream(100000) < 3 * stream(10000) + (4 << 20))
    end)
  end)
end)
