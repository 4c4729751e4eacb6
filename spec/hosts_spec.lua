-- The registry of hosts: a table, a function, or what a program prints.

local harness = require "spec.support.harness"
local harp = require "harp"

local eventually = harness.eventually

describe("the hosts of a dispatcher", function()
  local daemon

  setup(function() daemon = harness.daemon() end)
  teardown(harness.clean_up)

  local function start(settings) return harness.dispatcher{ daemon = daemon, settings = settings } end

  -- What does not start says why.
  local function complaint(settings)
    local directory = harness.directory()
    local config = harness.write(directory .. "/dispatcher.lua", ("listen = '127.0.0.1:0'\ndatabase = %q\n%s"):format(
      directory .. "/dispatcher.db", settings))
    local _, errors, status = harness.harp("dispatcher --config " .. config)
    assert.equal(1, status)
    return errors
  end

  local function ask(server, fields)
    fields.harpcaller = 1
    local lines = harness.ask(server, harp.encode(fields) .. "\n")
    for i, line in ipairs(lines) do lines[i] = harp.decode(line) end
    return lines[1], lines
  end

  local function run(server, host, procedure, arguments)
    local reply = ask(server, { host = host, procedure = procedure or "sum",
      arguments = harp.array(arguments or { 1, 2 }) })
    return ask(server, { get_result = reply.job_id, wait = true })
  end

  local function works(server, host) return harp.encode(run(server, host)) == '{"result":3}' end

  local function names(server)
    local list = {}
    for _, line in ipairs(select(2, ask(server, { list_hosts = true }))) do
      if line.host then list[#list + 1] = line.host.name end
    end
    return table.concat(list, " ")
  end

  local function has(text, part) assert(text:find(part, 1, true), ("%q is not in: %s"):format(part, text)) end

  describe("in a table", function()
    it("say what nobody knows or what cannot be meant", function()
      for settings, message in pairs{
        ["hosts = { 1 }"] = "hosts: must map names to tables",
        ["hosts = { a = 1 }"] = "a: must be a table",
        ["hosts = { a = {} }"] = "a: a host needs a user and a password",
        ["hosts = { a = { user = 'u' } }"] = "a: a host needs a user and a password",
        ["hosts = 7"] = "hosts: must be a table",
        ["host_defaults = { adress = 'x' }"] = "host_defaults: nobody knows the setting adress",
        ["host_defaults = { hostname = 'x' }"] = "host_defaults: hostname is the key of a host in a table",
        ["host_defaults = { pin = 'x' }"] = 'host_defaults: pin must be "sha256//"',
        ["connect_timeout = 0"] = "connect_timeout: must be a number above 0",
        ["max_running_per_host = 'x'"] = "max_running_per_host: must be a number",
        ["hosts_command = { a = 1 }"] = "hosts_command: must be a list",
        ["hosts_timeout = 0"] = "hosts_timeout: must be seconds above 0",
        ["max_answer = 1"] = "max_answer: must be from 1024",
      } do
        has(complaint(settings), message)
      end
      for setting, message in pairs{
        ["port = 0"] = "the port is not 1…65535", ["port = '1'"] = "port must be a number",
        ["address = 'x y'"] = "bad address", ["ca_fiel = 'x'"] = "nobody knows the setting ca_fiel",
        ["'x'"] = "nobody knows the setting a field without a name", ["tls = false"] = 'tls must be true or "legacy"',
        ["tls = 'old'"] = "tls must be", ["verify = 'no'"] = 'verify must be "system" or false',
        ["pin = 'x', ca_file = 'y'"] = "ca_file and pin exclude each other",
        ["verify = false, first_use = true"] = "verify and first_use exclude each other",
        ["key_file = 'x'"] = "key_file is of no use without cert_file", ["proxy = 'ftp://a:s3cret@b:1'"] = "bad proxy",
        ["max_running = 0"] = "max_running must be at least 1",
        ["accept_timeout = -1"] = "accept_timeout must be seconds",
        ["ca_file = 'a\\0b'"] = "ca_file must be a string",
      } do
        local errors = complaint(("hosts = { a = { user = 'u', password = 'hunter2', %s } }"):format(setting))
        has(errors, "a: ")
        has(errors, message)
        assert.is_nil(errors:find "hunter2" or errors:find "s3cret")
      end
    end)

    it("have defaults, which an entry's own settings replace", function()
      local server = start(([[
        host_defaults = { address = "127.0.0.1", port = %d, user = "tester", password = "secret", pin = %q }
        hosts = { a = {}, b = { verify = false }, c = { password = "wrong" }, d = { port = 1 } }]]):format(
        daemon.port, daemon.pin))
      assert.is_true(works(server, "a") and works(server, "b"))
      assert.equal("auth_error", run(server, "c").error.type)
      assert.equal("econnrefused", run(server, "d").error.type)
      assert.equal("a b c d", names(server))
      assert.equal(0, server:stop())
    end)
  end)

  describe("from a function", function()
    it("are asked for by name, each time", function()
      local file = os.tmpname()
      local server = start(([[
        local function entry(port) return { address = "127.0.0.1", port = port, user = "tester", password = "secret",
          pin = %q } end
        function hosts(name)
          if name == "boom" then error "out of order" end
          if name == "odd" then return { adress = "x" } end
          if name == "text" then return "x" end
          if name:find "^web%%d+$" then return entry(tonumber(io.lines(%q)())) end
        end]]):format(daemon.pin, file))
      harness.write(file, "1\n")
      assert.equal("econnrefused", run(server, "web1").error.type)
      harness.write(file, daemon.port .. "\n")
      assert.is_true(works(server, "web1") and works(server, "web2"))
      for name, message in pairs{ other = 'no host "other" is known here', boom = "out of order",
        odd = 'the function hosts("odd") failed: nobody knows the setting adress', text = "must be a table" } do
        local error = run(server, name).error
        assert.equal("unknown_host", error.type)
        has(error.message, message)
      end
      assert.equal("", names(server))
      os.remove(file)
      assert.equal(0, server:stop())
    end)

    it("have a cap, too", function()
      local server = start(([[
        function hosts() return { address = "127.0.0.1", port = %d, user = "tester", password = "secret", pin = %q,
          max_running = 1 } end]]):format(daemon.port, daemon.pin))
      local ids = {}
      for i = 1, 3 do
        ids[i] = ask(server, { host = "x", procedure = "sleep", arguments = { i == 1 and 100 or 0 } }).job_id
      end
      assert.equal(harp.null, ask(server, { get_status = ids[2] }).time.start)
      ask(server, { cancel = ids[1] })
      for i = 2, 3 do
        assert.same({ result = "slept" }, ask(server, { get_result = ids[i], wait = true }))
      end
      assert.equal(0, server:stop())
    end)
  end)

  describe("from a program", function()
    local file, log

    -- A line as stock fillers print it.
    local function line(name, more)
      return ('{"hostname":%s,"address":"127.0.0.1","port":%d,"credentials":{"user":"tester","password":"secret"},'
        .. '"pin":"%s"%s}\n'):format(harp.encode(name), daemon.port, daemon.pin, more or "")
    end

    local function command(text) return ("hosts_command = { 'sh', '-c', %q }\n"):format(text) end
    local function cat() return command("cat " .. file) end
    local function reads(server) return select(2, harness.read(server.log):gsub("hosts_refreshed", "")) end

    setup(function()
      file = os.tmpname()
      log = os.tmpname()
    end)

    teardown(function()
      os.remove(file)
      os.remove(log)
    end)

    it("are there when the dispatcher is, and a table goes before them", function()
      harness.write(file, line "auto" .. "\n" .. line("web01", ',"max_running":3') .. line("web09", ',"tls":null'))
      local server = start(cat() .. "hosts.web01.port = 1")
      assert.is_true(works(server, "auto") and works(server, "web09"))
      assert.equal("econnrefused", run(server, "web01").error.type)
      assert.equal("auto localhost nowhere refused web01 web02 web09", names(server))
      assert.equal(0, server:stop())
    end)

    it("are looked at again and again, and the last good ones stay", function()
      harness.write(file, line "a")
      local server = start("hosts = {}\nhosts_refresh = 0.05\n" .. cat())
      assert.equal("a", names(server))
      harness.write(file, line "b" .. line "c")
      eventually(function() return names(server) == "b c" end)
      for message, text in pairs{
        ["there are no hosts in it"] = "\n", ["line 2: "] = line "d" .. "not json\n",
        ["the host d is there twice"] = line "d" .. line "d", ["nobody knows the setting x"] = line("d", ',"x":1'),
        ["a host needs a user and a password"] = '{"hostname":"d","address":"x"}\n',
        ["a host needs a hostname"] = '{"address":"x","user":"u","password":"p"}\n',
        ["max_running must be at least 1"] = line("d", ',"max_running":0'), ["line 1: "] = "[]\n",
        ["line 3: "] = "\n\n" .. line "d":gsub("}\n", ",}\n"), ["line 4: "] = "\n\n\n" .. line "f":sub(1, -6) .. "\n",
      } do
        harness.write(file, text)
        server:expect(message)
        assert.equal("b c", names(server))
      end
      assert.is_nil(harness.read(server.log):find "secret")
      harness.write(file, line "e")
      eventually(function() return names(server) == "e" end)
      assert.equal(0, server:stop())
    end)

    it("are kept for the next start, for nobody else's eyes", function()
      harness.write(file, line "kept")
      local server = start("hosts = {}\nhosts_refresh = 0\n" .. cat())
      assert.is_true(works(server, "kept"))
      assert.equal(0, server:stop())
      assert.equal("600\n", (harness.shell("stat -c %a " .. server.directory .. "/dispatcher.db.hosts")))
      harness.write(file, "")
      server:restart()
      assert.is_true(works(server, "kept"))
      server:expect "hosts_command_failed"
      assert.is_true(works(server, "kept"))
      assert.equal(1, reads(server))
      assert.equal(0, server:stop())
    end)

    it("do not come when it fails, hangs or is not there; what it says goes to the log", function()
      local sleep, sleeps = harness.sleeper()
      for text, message in pairs{
        ["hosts_command = { '/no/such/program' }"] = "no such file",
        [command "echo 'out of \"order\"' >&2; printf 'half' >&2; exit 7"] = "exit status 7",
        [command "kill -9 $$"] = "it was ended by signal 9",
        ["hosts_timeout = 0.2\n" .. command(sleep .. " & " .. sleep)] = "it took too long",
        ["hosts_timeout = 0.3\n" .. command("echo; " .. sleep .. " &")] = "it took too long",
        [command "yes"] = "it printed too much",
      } do
        local server = start(text)
        local told = harness.read(server.log)
        has(told, "hosts_command_failed")
        has(told, message)
        if message == "exit status 7" then
          has(told, [[hosts_command_said text="out of \"order\""]])
          has(told, "hosts_command_said text=half")
        end
        assert.is_true(works(server, "web01"))
        assert.equal(0, server:children())
        assert.equal(0, server:stop())
      end
      eventually(function() return not sleeps() end)
    end)

    it("come from one run at a time, which the dispatcher's end ends", function()
      harness.write(file, line "a")
      local server = start("hosts_refresh = 0.01\n" .. command(
        ("echo begin >>%s; sleep 0.1; cat %s; echo end >>%s"):format(log, file, log)))
      eventually(function() return reads(server) > 3 end)
      assert.equal(0, server:stop())
      local expected = "begin"
      for mark in harness.read(log):gmatch "%a+" do
        assert.equal(expected, mark)
        expected = mark == "begin" and "end" or "begin"
      end
    end)

    it("may be more than a few", function()
      local all = {}
      for i = 1, 20000 do all[i] = line("host" .. i) end
      harness.write(file, table.concat(all))
      local server = start(cat())
      assert.is_true(works(server, "host19999"))
      assert.equal(0, server:stop())
    end)
  end)

  describe("log", function()
    it("is lines of keys and values that nobody can forge", function()
      local server = start "hosts = {}"
      local evil = 'x"\nharp dispatcher: stopping \27[2J\u{2028}\u{85}é job=1'
      run(server, evil, "sum")
      assert.equal(0, server:stop())
      local told = harness.read(server.log)
      has(told, [[host="x\"\nharp dispatcher: stopping \x1b[2J\xe2\x80\xa8\xc2\x85é job=1"]])
      local _, lines = told:gsub("\n", "")
      assert.equal(3, lines)       -- submitted, ended, stopping
      assert.truthy(told:find "harp dispatcher: submitted job=%x+%-[%x-]+ host=\"")
      has(told, "outcome=error type=unknown_host message=")
    end)

    it("is JSON, and as much as is wanted", function()
      local server = start "log = 'json' log_level = 'debug' log_time = true"
      run(server, "web01", "all", { "argu\nment", "\u{fffd}" })
      assert.equal(0, server:stop())
      local seen, job = {}, nil
      for text in io.lines(server.log) do
        local entry = harp.decode(text)
        assert.truthy(entry.time:match "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$")
        assert.equal("harp dispatcher", entry.program)
        if entry.event then
          seen[entry.event] = entry
          job = job or entry.job
          if entry.job then assert.equal(job, entry.job) end
        end
      end
      assert.equal("info", seen.submitted.level)
      assert.equal("web01", seen.started.host)
      assert.equal("result", seen.ended.outcome)
      assert.equal("debug", seen.arguments.level)
      assert.equal('["argu\\nment","\u{fffd}"]', seen.arguments.arguments)
      assert.is_nil(harness.read(server.log):find "secret")
    end)

    it("has times when they are wanted, but for the journal's, and warnings alone", function()
      local server = start "log_time = true log_level = 'warning' hosts_command = { 'false' }"
      run(server, "web01")
      assert.equal(0, server:stop())
      assert.truthy(harness.read(server.log):find
        "^%d%d%d%d%-%d%d%-%d%dT[%d:.]+Z harp dispatcher: warning: hosts_command_failed command=false reason=[^\n]+\n$")
      local output = harness.signalled("TERM", { "listening" }, ([[sh -c '
        export JOURNAL_STREAM=$(stat -Lc %%d:%%i /dev/stderr)
        exec %s dispatcher --config %s/dispatcher.lua']]):format(harness.program, server.directory))
      assert.truthy(output:find "^harp dispatcher: warning: hosts_command_failed", output)
    end)

    it("has settings that are checked", function()
      has(complaint "log = 'xml'", 'log: must be "text" or "json"')
      has(complaint "log_level = 'loud'", "log_level: must be")
    end)
  end)
end)
