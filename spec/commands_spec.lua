-- The commands that call, and that look at what a dispatcher has: through
-- pipes, as scripts use them, and at a terminal.

local harness = require "spec.support.harness"
local harp = require "harp"

local quote = harness.quote

describe("a command", function()
  local daemon, dispatcher, stock, rpc, ours, directory

  setup(function()
    directory = harness.directory()
    daemon = harness.daemon()
    dispatcher = harness.dispatcher{ daemon = daemon }
    stock = harness.stock{}
    rpc = harp.caller(dispatcher.address)
    ours = "--caller " .. dispatcher.address
  end)

  teardown(harness.clean_up)

  -- A command's line, with a dispatcher if it names none.
  local function line_of(arguments)
    if arguments:find("--caller", 1, true) then return arguments end
    return (arguments:gsub("^%a+", "%0 " .. ours))
  end

  -- Runs a command against our dispatcher: standard output, standard error, status.
  local function run(arguments, input) return harness.harp(line_of(arguments), input or "") end

  -- The lines of JSON that it prints, and its status.
  local function records(arguments, input)
    local output, errors, status = run(arguments, input)
    local list = {}
    for line in output:gmatch "[^\n]+" do list[#list + 1] = harp.decode(line) end
    if errors ~= "" then return list, status, errors end
    return list, status
  end

  -- A shell command that types Ctrl-C each time that a text, a basic regular
  -- expression, has come to be in a file; or, { text, n }, in n lines of it.
  local function typist(moments, file)
    local lines = { ":" }
    for _, moment in ipairs(moments) do
      if type(moment) == "string" then moment = { moment } end
      lines[#lines + 1] = harness.until_in(file, table.unpack(moment)) .. "; sleep 0.1"
      lines[#lines + 1] = "printf '\\003'"
    end
    return "{ " .. table.concat(lines, "; ") .. "; }"
  end

  -- Runs a command at a terminal, without colours unless `environment` is
  -- something else; `moments`: when Ctrl-C is typed.
  local function at_terminal(arguments, moments, environment, size)
    local file = harness.write(directory .. "/typescript", "")
    local inside = ("stty %s; exec %s %s"):format(size or "cols 80 rows 24", harness.program, line_of(arguments))
    local output, status = harness.shell(("%s | env %s script -qefc %s %s"):format(
      typist(moments or {}, file), environment or "NO_COLOR=1", quote(inside), file))
    return output:gsub("\r", ""), status
  end

  -- The same, with a second Ctrl-C, for which there are 2 s. A slow machine may take
  -- them: of some tries one good one counts.
  local function interrupted_twice(line, ...)
    local output, status
    for _ = 1, 10 do
      output, status = at_terminal(line(), { ..., "within" })
      if status ~= 130 then break end
    end
    return output, status
  end

  local function id_of(arguments)
    local output, errors, status = run("call --detach " .. arguments)
    assert.same({ "", 0 }, { errors, status })
    return (output:gsub("\n", ""))
  end

  describe("call", function()
    it("takes arguments as JSON, as texts, by name, and from standard input", function()
      local function result(arguments, input)
        local list, status, errors = records("call web01 " .. arguments, input)
        assert.same({ 0, nil }, { status, errors })
        return harp.encode(list[1].result)
      end
      assert.equal('[5,-5,2.0,{"a":[1]},"web",null,"5","","a=b"]',
        result [[all 5 -5 2.0 '{"a":[1]}' web null '"5"' '' '"a=b"']])
      assert.equal('["-x","--json"]', result "--json all -- -x --json")
      assert.equal("3", result "sum a=1 b=2")
      assert.equal("[1,[2]]", result("all -", "[1, [2]]"))
      assert.equal('["text"]', result("all -", '"text"'))
      assert.equal("3", result("sum -", '{"a": 1, "b": 2}'))
      assert.equal('["x",[1]]', result("all x -", "[1]"))
      assert.equal("[1]", result("echo -", "[[1]]"))
      assert.equal("5", result("sum a=2 b=-", "3"))
    end)

    it("refuses what makes no sense, in one line, with 2", function()
      for arguments, complaint in pairs{
        ["web01"] = "missing argument",
        ["web01 sum a=1 2"] = "either all arguments have names, or none: '2' has none",
        ["web01 sum a=1 a=2"] = "there are two arguments a",
        ["web01 all - -"] = "standard input can be one argument only",
        ["web01, all"] = "'web01,' has an empty host in it",
        ["web01 all --queue '{bad'"] = "'{bad' is no queue: it is no JSON (lexical error",
        ["web01 all --queue '[1]'"] = "'[1]' is no queue: it is an array; write a name, or an object",
        ["web01 all --concurrency 2"] = "--concurrency needs a --queue",
        ["web01 all --queue q --concurrency 0"] = "'0' is no number above 0",
        ["web01 all --timeout soon"] = "'soon' is no time",
        ["web01 all --timeout -5"] = "'-5' is no time",
        ["web01 all --pin x"] = "--pin is of no use without --direct",
        ["web01 all --direct"] = "--caller is of no use with --direct",
        ["web01 all --nonsense"] = "unknown option",
        ["web01 all --detahc"] = "unknown option '--detahc' (did you mean '--detach'?); see",
      } do
        local output, errors, status = run("call " .. arguments, "1")
        assert.same({ "", 2 }, { output, status }, arguments)
        assert.truthy(errors:find(complaint, 1, true), errors)
        assert.truthy(errors:find "^harp call: [^\n]+; see harp call %-%-help\n$", errors)
      end
      local _, errors, status = run("call web01 all -", "{")
      assert.truthy(errors:find "^harp call: standard input is not JSON: [^\n]+\n$")
      assert.equal(2, status)
    end)

    it("tells of packets and results in lines of JSON", function()
      local list, status = records "call web01 count 2"
      local job = list[1].job
      assert.same({
        { host = "web01", job = job, packet = 0, data = { i = 1 } },
        { host = "web01", job = job, packet = 1, data = { i = 2 } },
        { host = "web01", job = job, result = { msg = "end" } },
      }, list)
      assert.equal(0, status)
      assert.equal(36, #job)
    end)

    it("tells of each outcome, by its line and by its exit status", function()
      local list, status = records "call web01 fail"
      assert.same({ "paper", "out of paper", 2, 3 },
        { list[1].exception.type, list[1].exception.message, list[1].exception.data.tray, status })
      list, status = records "call web01 nosuch"
      assert.same({ "no_such_procedure", 4 }, { list[1].error.type, status })
      list, status = records "call web01 sleep 9 --max-exec-time 1s"
      assert.same({ "timeout", 7 }, { list[1].error.type, status })
      local output, errors
      output, errors, status = harness.harp "call web01,web02 sum 1 2 --caller 127.0.0.1:1"
      assert.same({ "", 6 }, { output, status })
      assert.truthy(errors:find "^harp call: econnrefused: 127.0.0.1:1: Connection refused; [^\n]*harp local[^\n]*\n$")
    end)

    it("says that a job was cancelled", function()
      local id = id_of "web01 sleep 100"
      assert.is_true(rpc:job(id):cancel())
      local list, status = records("job follow " .. id)
      assert.same({ { { job = id, cancelled = true } }, 5 }, { list, status })
    end)

    it("calls several hosts at the same time, and one that fails does not stop the others", function()
      -- Each waits for the other one.
      local file = harness.write(harness.directory() .. "/met", "")
      local meet = harness.write(harness.directory() .. "/meet", ("echo in >>%s\n%s\n[ $n -le %d ] || echo alone >>%s")
        :format(file, harness.until_in(file, "in", 2), harness.PATIENCE * 50, file))
      local list, status = records(("call web01,nohost,web02 shell 'sh %s'"):format(meet))
      local results, failure = {}, nil
      for _, line in ipairs(list) do
        if line.result then results[#results + 1] = line.host end
        failure = line.error or failure
      end
      table.sort(results)
      assert.same({ { "web01", "web02" }, "unknown_host", 4 }, { results, failure.type, status })
      assert.equal("in\nin\n", harness.read(file))
    end)

    it("ends with the worst of several outcomes", function()
      assert.equal(4, (select(2, records "call web01,nohost fail")))
      assert.equal(3, (select(2, records "call web01,web02 fail")))
    end)

    it("hands on queue, info and limits", function()
      local id = id_of "web01 sleep 0 --queue backup --concurrency 3 --info 'night run' --timeout 1m"
      local list = records("jobs --info 'night run'")
      assert.same({ id, { name = "backup" }, "night run" }, { list[1].id, list[1].queue, list[1].info })
      id = id_of [[web01 sleep 0 --queue '{"disk":1}' --info '{"a":1}']]
      list = records [[jobs --queue '{"disk":1}']]
      assert.same({ id, { disk = 1 }, { a = 1 } }, { list[1].id, list[1].queue, list[1].info })
      for _, name in ipairs{ "5", "null" } do
        id = id_of("web01 sleep 0 --queue " .. name)
        list = records("jobs --queue " .. name)
        assert.same({ id, { name = name } }, { list[1].id, list[1].queue })
      end
      assert.equal('{"name":"{x"}', require "harp.cli.show".queue{ name = "{x" })
    end)

    it("prints ids alone with --detach, and complains elsewhere", function()
      local output, errors, status = run "call --detach web01,web02 sleep 0"
      assert.truthy(output:find "^[%x-]+\n[%x-]+\n$")
      assert.same({ "", 0 }, { errors, status })
      local list = records "call --detach --json web01 sleep 0"
      assert.same({ "web01", 36 }, { list[1].host, #list[1].job })
      output, errors, status = harness.harp "call --detach web01 f --caller 127.0.0.1:1"
      assert.same({ "", 6 }, { output, status })
      assert.truthy(errors:find "econnrefused")
    end)

    it("calls more daemons at once than there are descriptors at first", function()
      local hosts = (",127.0.0.1:%d"):format(daemon.port):rep(60):sub(2)
      local output, status = harness.shell(("ulimit -Sn 40; HARP_USER=tester HARP_PASSWORD=secret %s call --direct %s "
        .. "sum 1 2 --pin %s 2>&1 </dev/null"):format(harness.program, hosts, daemon.pin))
      assert.equal(60, select(2, output:gsub('"result":3', "")), output)
      assert.equal(0, status)
    end)

    it("calls daemons directly", function()
      local function direct(arguments, environment)
        local output, status = harness.shell(("env %s %s call --direct 127.0.0.1:%d %s 2>&1 </dev/null"):format(
          environment or "HARP_USER=tester HARP_PASSWORD=secret", harness.program, daemon.port, arguments))
        return output, status
      end
      local trust = " --pin " .. daemon.pin
      local host = '{"host":"127.0.0.1:' .. daemon.port .. '",'
      assert.same({ host .. '"result":3}\n', 0 }, { direct("sum 1 2" .. trust) })
      assert.same({ host .. '"packet":0,"data":{"i":1}}\n' .. host .. '"result":{"msg":"end"}}\n', 0 },
        { direct("count 1 --insecure") })
      assert.same({ host .. '"result":null}\n', 0 }, { direct("echo null --ca-file " .. daemon.certificate) })
      local file = harness.write(harness.directory() .. "/password", "secret\n")
      assert.same({ host .. '"result":1}\n', 0 },
        { direct("echo 1 --user tester --password-file " .. file .. trust, "A=1") })
      local output, status = direct("fail" .. trust)
      assert.truthy(output:find '"exception":{.*"paper"')
      assert.equal(3, status)
      output, status = direct("sum 1 2" .. trust, "HARP_USER=tester HARP_PASSWORD=wrong")
      assert.truthy(output:find '"error":{.*"auth_error"')
      assert.equal(4, status)
      output, status = direct("sum 1 2" .. trust, "A=1")
      assert.truthy(output:find "^harp call: no user or password; [^\n]+\n$", output)
      assert.equal(2, status)
      output, status = harness.shell("HARP_PASSWORD=p " .. harness.program
        .. " call --direct 127.0.0.1:1 f --user u --insecure 2>&1 </dev/null")
      assert.truthy(output:find '"error":{.*"econnrefused"', output)
      assert.equal(6, status)
    end)
  end)

  describe("at a terminal", function()
    it("shows values as people read them", function()
      for arguments, text in pairs{
        ["web01 sum 1 2"] = "3\n",
        ["web01 echo hello"] = "hello\n",
        [ [[web01 echo '"5"']] ] = '"5"\n',
        ["web01 echo ''"] = '""\n',
        [ [[web01 echo '"two\nlines\n"']] ] = "two\nlines\n",
        [ [[web01 echo '"\u001b[31m"']] ] = "\\x1b[31m\n",
        ["web01 echo null"] = "null\n",
        [ [[web01 echo '{"b":[1,2.0],"a":"x"}']] ] = '{"a": "x", "b": [1, 2.0]}\n',
        ["web01 count 2"] = '{"i": 1}\n{"i": 2}\n=> {"msg": "end"}\n',
        ["web01 quiet"] = "1\n",
      } do
        assert.same({ text, 0 }, { at_terminal("call " .. arguments) }, arguments)
      end
    end)

    it("indents JSON that does not fit a line", function()
      local output = at_terminal([[call web01 echo '{"name":"a name","list":[1,2,3]}']], nil, nil, "cols 30 rows 24")
      assert.equal('{\n  "list": [1, 2, 3],\n  "name": "a name"\n}\n', output)
      output = at_terminal([[call web01 echo '{"list":["日本","日本","日本"],"n":1}']], nil, nil, "cols 30 rows 24")
      assert.equal('{\n  "list": [\n    "日本",\n    "日本",\n    "日本"\n  ],\n  "n": 1\n}\n', output)
    end)

    it("names the host where there are several, and complains in one line", function()
      local output, status = at_terminal "call web01,nohost echo hello"
      assert.truthy(output:find("\nweb01:  hello\n", 1, true) or output:find("^web01:  hello\n"), output)
      assert.truthy(output:find "harp call: nohost: unknown_host: no host \"nohost\" is known here %[job [%x-]+%];")
      assert.equal(4, status)
      output, status = at_terminal "call web01 fail"
      assert.truthy(output:find "^harp call: paper: out of paper %[job [%x-]+%]\n$", output)
      assert.equal(3, status)
    end)

    it("names hosts whatever their names are", function()
      local name = ("long"):rep(30) .. "%1"
      local other = harness.dispatcher{ daemon = daemon, settings = ("hosts[%q] = hosts.web01"):format(name) }
      local output, status = at_terminal(("call --caller %s web01,%s echo '\"a\\n\\nb\"'"):format(other.address, name),
        nil, nil, "cols 200 rows 24")
      for _, line in ipairs{ "a", "", "b" } do
        assert.truthy(output:find(name .. ": " .. line .. "\n", 1, true), output)
        assert.truthy(output:find("web01: " .. (" "):rep(#name - 5) .. line .. "\n", 1, true), output)
      end
      assert.equal(0, status)
    end)

    it("has colours, and none with NO_COLOR", function()
      local output = at_terminal("call web01,web02 echo x", nil, "-u NO_COLOR TERM=xterm")
      assert.truthy(output:find("\27[36mweb01: \27[0mx", 1, true), output)
      assert.falsy(at_terminal "call web01,web02 echo x":find "\27")
    end)

    it("makes tables that fit", function()
      id_of "web01 all 'a long text that has to be cut in a table' --queue a --info 'and some more text'"
      for _, columns in ipairs{ 40, 60, 100 } do
        local output = at_terminal("jobs", nil, nil, ("cols %d rows 10"):format(columns))
        local lines = 0
        for line in output:gmatch "[^\n]+" do
          assert.truthy(utf8.len(line) <= columns, line)
          lines = lines + 1
        end
        assert.equal(9, lines)
        assert.truthy(output:find "^ID        STATE")
        assert.truthy(output:find "…")
        assert.truthy(output:find "\nthe newest 7; %-%-limit N shows more\n$")
      end
      assert.truthy(at_terminal "hosts":find "^HOST +ADDRESS\nlocalhost +127.0.0.1:%d+\n")
      assert.truthy(at_terminal "procedures web01":find "\ncount n seconds +stream")
      assert.falsy(at_terminal "jobs":find("harp.procedures", 1, true))
      assert.truthy(at_terminal "jobs --procedure harp.procedures":find("harp.procedures", 1, true))
    end)

    it("shows how a job stands", function()
      local id = id_of "web01 fail"
      harness.eventually(function() return rpc:job(id):status().state == "ended" end)
      local output = at_terminal("job status " .. id)
      assert.truthy(output:find("^job        " .. id:gsub("%-", "%%-") .. "\ncall       web01 fail"), output)
      assert.truthy(output:find "\nstate      exception: paper: out of paper\n")
      assert.truthy(output:find "\nsubmitted  %d+%-%d+%-%d+ %d+:%d+:%d+ %([<%w]+ ago%)\n")
      output = at_terminal("job status " .. rpc:host "web01":procedure "no\27[2J"():id())
      assert.truthy(output:find("\ncall       web01 no\\x1b[2J", 1, true), output)
    end)

    it("draws jobs again and again until Ctrl-C", function()
      local output, status = at_terminal("jobs --watch", { { "Ctrl-C ends", 2 } })
      local _, count = output:gsub("Ctrl%-C ends", "")
      assert.truthy(count >= 2, output)
      assert.equal(0, status)
    end)
  end)

  describe("that is interrupted", function()
    -- What is seen when the dispatcher is asked what it can.
    local DEBUG, ASKS = "NO_COLOR=1 HARP_DEBUG=1", "get_status"

    local function detached(output)
      return output:match "detached; the job goes on%. To come back:\n  harp job follow ([%x-]+)\nCtrl%-C again, within"
    end

    it("leaves its job, and says how to come back", function()
      local output, status = at_terminal("call web01 count 1000 0.1", { '"i": 2' })
      local id = detached(output)
      assert.truthy(id, output)
      assert.equal(130, status)
      assert.falsy(output:find "traceback")
      assert.equal("running", rpc:job(id):status().state)
      rpc:job(id):cancel()
    end)

    it("twice cancels its job", function()
      local output, status = interrupted_twice(function() return "call web01 count 1000 0.1" end, '"i": 2')
      local id = detached(output)
      assert.truthy(output:find "\nharp call: cancelled\n$", output)
      assert.equal(5, status)
      assert.equal(harp.CALL_CANCELLED, rpc:job(id):result())
    end)

    it("twice cancels what it follows, too", function()
      local other
      local output, status = interrupted_twice(function()
        other = id_of "web02 count 1000 0.1"
        return ("job follow %s %s"):format(id_of "web01 sleep 1000", other)
      end, '"i": 2')
      assert.truthy(output:find "\nharp job: cancelled 2 of 2\n$", output)
      assert.equal(5, status)
      assert.equal(harp.CALL_CANCELLED, rpc:job(other):result())
    end)

    it("cancels a direct call", function()
      local output, status = at_terminal(("call --direct --insecure 127.0.0.1:%d count 1000 0.1 # --caller"):format(
        daemon.port), { '"i": 2' }, "NO_COLOR=1 HARP_USER=tester HARP_PASSWORD=secret")
      assert.truthy(output:find '\n%^C\nharp call: cancelled\n', output)
      assert.equal(5, status)
      harness.eventually(function() return daemon:children() == 0 end)
    end)

    it("ends without a traceback while it asks a dispatcher that is silent", function()
      local silent = harness.proxy(dispatcher)
      for _, words in ipairs{ "hosts", "job follow 1234" } do
        silent:stall()
        local output, status = at_terminal(words .. " --caller 127.0.0.1:" .. silent.port, { ASKS }, DEBUG)
        assert.equal(130, status)
        assert.truthy(output:find "%^C\n$" and not output:find "traceback", output)
      end
    end)

    it("says of a call whose id has not come that nobody knows", function()
      local silent = harness.proxy(dispatcher)
      silent:stall()
      local output, status = at_terminal("call web01 sum 1 2 --caller 127.0.0.1:" .. silent.port, { ASKS }, DEBUG)
      assert.truthy(output:find("web01: it is not known whether the call was accepted", 1, true), output)
      assert.equal(8, status)
    end)
  end)

  describe("job", function()
    it("tells status, result and packets", function()
      local id = id_of "web01 count 2"
      assert.equal("end", rpc:job(id):get().msg)
      local list = records("job status " .. id)
      assert.same({ id, "ended", "result", "count" },
        { list[1].job, list[1].state, list[1].outcome, list[1].call.procedure })
      assert.same({ { job = id, result = { msg = "end" } } }, (records("job result " .. id)))
      assert.same({ { job = id, packet = 1, data = { i = 2 } } }, (records("job stream --since 1 " .. id)))
      assert.same({ { job = id, packet = 1, data = { i = 2 } } }, (records("job stream --recent 1 " .. id)))
      assert.equal(3, #records("job follow " .. id))
    end)

    it("waits for a result only when told to", function()
      local id = id_of "web01 sleep 100"
      local output, errors, status = run("job result " .. id)
      assert.same({ "", 8 }, { output, status })
      assert.truthy(errors:find("has not ended; --wait waits for it", 1, true))
      run("job cancel " .. id)
      id = id_of "web01 sleep 0.5"
      assert.same({ { { job = id, result = "slept" } }, 0 }, { records("job result --wait " .. id) })
    end)

    it("cancels, and says whether there was something to cancel", function()
      local id = id_of "web01 sleep 100"
      assert.same({ { { job = id, cancelled = true } }, 0 }, { records("job cancel " .. id) })
      assert.same({ { { job = id, cancelled = false } }, 0 }, { records("job cancel " .. id) })
    end)

    it("takes several ids, and ids from standard input, as call and jobs print them", function()
      local one, other = id_of "web01 sum 1 2", id_of "web01 sum 3 4"
      local expected = { { job = one, result = 3 }, { job = other, result = 7 } }
      rpc:job(one):get() rpc:job(other):get()
      assert.same(expected, (records(("job result %s %s %s"):format(one, other, one))))
      assert.same(expected, (records("job result -", one .. "\n\n" .. other .. "\n")))
      assert.same(expected, (records("job result -", ('{"id":"%s"}\n{"host":"x","job":"%s"}\n'):format(one, other))))
      local _, errors, status = run("job result -", "\n")
      assert.truthy(errors:find "there was no id on standard input")
      assert.equal(2, status)
    end)

    it("goes on with the others when one is not known", function()
      local id, unknown = id_of "web01 sum 1 2", "12345678-1234-1234-1234-123456789012"
      rpc:job(id):get()
      local list, status = records(("job result %s %s"):format(unknown, id))
      assert.same({ "invalid_jobid", 3, 4 }, { list[1].error.type, list[2].result, status })
    end)

    it("takes an id's beginning, if it is that of one job only", function()
      local id = id_of "web01 sum 1 2"
      rpc:job(id):get()
      assert.equal(id, records("job status " .. id:sub(1, 12):upper())[1].job)
      local _, errors, status = run "job status abc"
      assert.truthy(errors:find "'abc' is too short")
      assert.equal(2, status)
      errors, status = select(2, run "job status no-id")
      assert.truthy(errors:find "is no id of a job")
      assert.equal(2, status)
      errors, status = select(2, run "job status 0123456789abcdef")
      assert.truthy(errors:find "no job's id begins with 0123456789abcdef")
      assert.equal(4, status)
    end)

    it("refuses a beginning that several ids have, and shows them", function()
      local known, prefix, one, other = {}, nil, nil, nil
      local function submit()
        local id = rpc.nohost.f():id()
        local short = id:sub(1, 4)
        if known[short] then prefix, one, other = short, id, known[short] end
        known[short] = id
      end
      local calls = {}
      for i = 1, 1500 do calls[i] = i end
      harp.map(calls, submit, { concurrency = 100 })
      assert.truthy(prefix, "no two of 1500 ids begin with the same 4 digits")
      local _, errors, status = run("job cancel " .. prefix)
      assert.truthy(errors:find("^harp job: " .. prefix .. " is not unique:\n"), errors)
      assert.truthy(errors:find(one, 1, true) and errors:find(other, 1, true))
      assert.equal(2, status)
    end)
  end)

  describe("that lists", function()
    it("filters jobs", function()
      local queued = { id_of "web02 sleep 1000 --queue slow", id_of "web02 echo 1 --queue slow" }
      harness.eventually(function() return rpc:job(queued[1]):status().state == "running" end)
      local function ids(arguments)
        local list = {}
        for i, job in ipairs(records("jobs " .. arguments)) do list[i] = job.id end
        return list
      end
      assert.same({ queued[2], queued[1] }, ids "--queue slow")
      assert.same({ queued[2] }, ids "--queue slow --state queued")
      assert.same({ queued[1] }, ids "--host web02 --procedure sleep --state running --since 1h")
      assert.same({}, ids "--queue slow --since 2100-01-01")
      assert.same(1, #ids "--limit 1")
      assert.same({ { name = { name = "slow" }, concurrency = 1, running = 1, waiting = 1 } }, (records "queues"))
      assert.truthy(at_terminal "queues":find "\nslow +1 +1 +1\n")
      assert.equal(0, (select(3, run("job cancel -", table.concat(queued, "\n")))))
      for arguments, complaint in pairs{
        ["--state done"] = "must be one of", ["--since then"] = "'then' is no time", ["--watch"] = "needs a terminal",
        ["--limit 0"] = "no number above 0",
      } do
        local _, errors, status = run("jobs " .. arguments)
        assert.truthy(errors:find(complaint, 1, true), errors)
        assert.equal(2, status)
      end
    end)

    it("tells hosts and procedures", function()
      local names = {}
      for _, host in ipairs(records "hosts") do names[host.name] = host.address end
      assert.equal("127.0.0.1:" .. daemon.port, names.web01)
      local function count(list)
        for _, procedure in ipairs(list) do
          if procedure.name == "count" then return procedure end
        end
      end
      local expected = { name = "count", params = { "n", "seconds" }, stream = true, vararg = false }
      assert.same(expected, count(records "procedures web01"))
      local output = harness.shell(("%s %s procedures --direct --insecure localhost:%d"):format(
        "HARP_USER=tester HARP_PASSWORD=secret", harness.program, daemon.port))
      assert.truthy(output:find '{"name":"count","params":%["n","seconds"%]')
      local _, errors, status = run "procedures nohost"
      assert.truthy(errors:find "^harp procedures: unknown_host: [^\n]+\n$")
      assert.equal(4, status)
    end)

    it("says that its output was lost, on a full disk", function()
      local output, status = harness.shell(("%s %s 2>&1 >/dev/full"):format(harness.program, line_of "hosts"))
      assert.same({ "harp: some of standard output is lost: No space left on device\n", 1 }, { output, status })
    end)

    it("ends quietly when nobody reads any more", function()
      for _, ignored in ipairs{ "", "trap '' PIPE; " } do
        for _, command in ipairs{ "jobs", "hosts", "procedures web01", "call web01 count 2000" } do
          local output = harness.shell(("{ %s%s %s; } 2>&1 | head -n 1"):format(
            ignored, harness.program, line_of(command)))
          assert.truthy(output:find "^{[^\n]*}\n$", output)
        end
      end
    end)
  end)

  describe("with a stock dispatcher", function()
    local function ask(arguments)
      return harness.harp(("%s --caller %s </dev/null"):format(arguments, stock.address))
    end

    it("calls, follows and cancels", function()
      local output, _, status = ask "call web01 count 2"
      assert.equal(3, select(2, output:gsub("\n", "")))
      assert.equal(0, status)
      local id = ask "call --detach web01 sleep 100":match "%S+"
      assert.same({ ('{"job":"%s","cancelled":true}\n'):format(id), "", 0 }, { ask("job cancel " .. id) })
    end)

    it("says what cannot be, and what to do", function()
      for _, command in ipairs{ "jobs", "queues", "hosts" } do
        local output, errors, status = ask(command)
        assert.same({ "", 2 }, { output, status })
        assert.truthy(errors:find("^harp " .. command .. ": [^\n]*, as stock ones do not; use one of harp's own "),
          errors)
      end
      local _, errors, status = ask "job status 3f22e0"
      assert.truthy(errors:find "this dispatcher cannot list its jobs, so the ids must be whole")
      assert.equal(2, status)
    end)

    it("says that a stock daemon does not tell its procedures", function()
      local _, errors, status = ask "procedures web01"
      assert.truthy(errors:find "^harp procedures: [^\n]*does not tell what it has: stock ones do not\n$", errors)
      assert.equal(4, status)
    end)
  end)

  it("says in one line that there is no dispatcher, at once", function()
    for _, command in ipairs{
      "jobs", "queues", "hosts", "procedures web01", "call web01 f", "job status 3f22",
      "job follow 12345678-1234-1234-1234-123456789012",
    } do
      local output, errors, status = harness.harp(command .. " --caller 127.0.0.1:1")
      assert.same({ "", 6 }, { output, status })
      assert.truthy(errors:find "^harp %a+: econnrefused: 127.0.0.1:1: Connection refused; nobody [^\n]*\n$", errors)
    end
  end)

  it("has help with examples", function()
    for _, command in ipairs{ "call", "job", "jobs", "queues", "hosts", "procedures" } do
      local output, errors, status = harness.harp(command .. " --help")
      assert.same({ "", 0 }, { errors, status })
      assert.truthy(output:find("^Usage: harp " .. command) and output:find "%-%-caller ADDRESS")
      assert.truthy(output:find("\nExamples:\n +harp " .. command), output)
    end
  end)
end)
