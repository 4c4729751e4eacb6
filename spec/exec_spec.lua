-- Commands: harp.exec, and those that are procedures.

local harness = require "spec.support.harness"
local harp = require "harp"
local lfs = require "lfs"

local raised = harness.raised

-- What is preloaded here, a sanitizer, is not for the command.
local function exec(options)
  options.env = options.env or {}
  options.env.LD_PRELOAD = false
  return harp.exec(options)
end

-- A shell's line as a command.
local function sh(line, options)
  options = options or {}
  options[1], options[2], options[3] = "sh", "-c", line
  return exec(options)
end

local function in_task(fn)
  return function() return harp.run(fn) end
end

local function descriptors()
  local count = 0
  for _ in lfs.dir "/proc/self/fd" do count = count + 1 end
  return count
end

-- Of this process, zombies too.
local function children()
  return harness.read "/proc/thread-self/children"
end

local function gone(pid)
  return not lfs.attributes("/proc/" .. pid)
end

-- Runs a shell's line that prints one soon, with the first timeout from 0.2 s on
-- in which that comes: the run, the line and the timeout.
local function begin_in_time(line)
  local timeout = 0.1
  local run, ok, first
  repeat
    timeout = 2 * timeout
    run = sh(line, { timeout = timeout })
    ok, first = pcall(run)
  until ok or timeout > harness.PATIENCE
  return run, first, timeout
end

-- Until it holds; the loop turns meanwhile.
local function soon(condition)
  harness.eventually(function() harp.sleep(0.01) return condition() end)
end

describe("harp.exec", function()
  local before_children, before_descriptors

  setup(function()
    sh "true":result()
    harp.sleep(0)
  end)

  before_each(function()
    collectgarbage()
    before_children, before_descriptors = children(), descriptors()
  end)

  after_each(function()
    collectgarbage()
    soon(function() return children() == before_children and descriptors() == before_descriptors end)
  end)

  teardown(harness.clean_up)

  -- ---- lines ----

  it("gives lines as they are, without their ends; the last one needs none", function()
    assert.same({ " a ", "b", "", "\tc\r" }, exec{ "printf", " a \nb\r\n\n\tc\\r\r\n" }:all())
    assert.same({ "a", "b" }, exec{ "printf", "a\nb" }:all())
    assert.same({ "\0\255" }, exec{ "printf", "\\000\\377" }:all())
    assert.same({}, exec{ "true" }:all())
  end)

  it("gives each line when it is there", in_task(function()
    local file = harness.directory() .. "/go"
    local run = sh("echo one; until [ -e " .. file .. " ]; do sleep 0.01; done; echo two")
    assert.equal("one", run())
    harness.write(file, "")
    assert.equal("two", run())
    assert.is_nil(run())
    assert.is_nil(run())
  end))

  it("lets tasks run side by side", in_task(function()
    local seen = harness.write(harness.directory() .. "/seen", "")
    local function follow(line)
      for text in sh(line) do harness.write(seen, harness.read(seen) .. text .. "\n") end
    end
    harp.all{
      harp.spawn(follow, "echo a1; " .. harness.until_in(seen, "b1") .. "; echo a2"),
      harp.spawn(follow, harness.until_in(seen, "a1") .. "; echo b1"),
    }
    assert.equal("a1\nb1\na2\n", harness.read(seen))
    local list = harp.map({ 1, 2, 3, 4 }, function(i) return exec{ "echo", i }:all()[1] end)
    assert.same({ "1", "2", "3", "4" }, list)
  end))

  it("waits inside coroutines, and where Lua cannot yield", in_task(function()
    local lines = coroutine.wrap(function()
      for line in sh "echo 1; sleep 0.01; echo 2" do coroutine.yield(line) end
    end)
    assert.same({ "1", "2" }, { lines(), lines() })
    assert.is_nil(lines())
    local list = { 3, 1, 2 }
    table.sort(list, function(a, b)
      return tonumber(exec{ "expr", a, "-", b }:all()[1]) < 0
    end)
    assert.same({ 1, 2, 3 }, list)
  end))

  it("holds up a command whose lines nobody takes", in_task(function()
    local file = harness.write(harness.directory() .. "/written", "")
    local piece = "head -c 65536 /dev/zero | tr '\\0' '\\n'; echo >>" .. file
    local run = sh("for i in 1 2 3 4 5 6 7 8; do " .. piece .. "; done")
    assert.equal("", run())
    harp.sleep(0.3)
    local lines = select(2, harness.read(file):gsub("\n", ""))
    assert.is_true(lines < 6, lines .. " pieces were written")
    assert.equal(8 * 65536 - 1, #run:all())
  end))

  it("reads what is big, and on both pipes at once", function()
    local run = sh "i=0; while [ $i -lt 64 ]; do head -c 65536 /dev/zero | tr '\\0' e >&2; echo $i; i=$((i + 1)); done"
    assert.equal(64, #run:all())
    assert.equal(("e"):rep(65536), run:result().stderr)
    local text = ("x"):rep(1 << 20)
    assert.equal(text, exec{ "cat", stdin = text .. "\n" }()) -- the longest line
  end)

  it("refuses a line over 1 MiB, and ends the command", function()
    for _, line in ipairs{ "cat /dev/zero", "head -c 1048577 /dev/zero | tr '\\0' x; echo; exec sleep 100" } do
      local run = sh("exec 2>&-; " .. line)
      local failure = raised(run)
      assert.same({ "CommandError", "line_too_long", "sh: line 1 is longer than 1 MiB" },
        { failure.kind, failure.type, failure.message })
      assert.equal("line_too_long", raised(run).type)
    end
  end)

  -- ---- JSON lines ----

  it("decodes JSON lines, and says which one is none", function()
    local run = exec{ "printf", '{"a":1}\nfalse\nnull\n1.0\n{\n', parse = "json" }
    assert.same({ { a = 1 }, false, harp.null, 1.0 }, { run(), run(), run(), run() })
    local failure = raised(run)
    assert.same({ "CommandError", "parse_error" }, { failure.kind, failure.type })
    assert.truthy(failure.message:find "^printf: line 5 is not JSON: ")
    assert.is_nil(run())
  end)

  -- ---- what it is given ----

  it("hands words on unchanged", function()
    local words = { "", " ", "a b", "'\"`$(id)", "-n", "*", "line\nline", "\\", "ä", "\255" }
    local run = exec{ "printf", "%s\\0", table.unpack(words) }
    assert.equal(table.concat(words, "\0") .. "\0", table.concat(run:all(), "\n"))
    assert.same({ "1 2.5" }, exec{ "echo", 1, 2.5 }:all())
  end)

  it("can be given more to read than a pipe holds, and need not read it", function()
    local text = ("0123456789abcde\n"):rep(100000)
    assert.equal(100000, #exec{ "cat", stdin = text }:all())
    assert.same({ status = 0, stderr = "" }, exec{ "true", stdin = text }:result())
    assert.same({ "3" }, exec{ "wc", "-c", stdin = "a\0b" }:all())
    assert.same({ "0" }, exec{ "wc", "-c" }:all())
  end)

  it("runs in the directory and with the variables it is told", function()
    assert.same({ "/usr" }, exec{ "pwd", cwd = "/usr" }:all())
    local list = exec{ "env", env = { HARP_A = "x=y", HOME = false } }:all()
    local text = "\n" .. table.concat(list, "\n") .. "\n"
    assert.truthy(text:find("\nHARP_A=x=y\n", 1, true))
    assert.truthy(text:find("\nPATH=" .. os.getenv "PATH", 1, true))
    assert.is_nil(text:find "\nHOME=")
  end)

  it("hands on no descriptor but the three, and no handling of signals", function()
    local file <close> = assert(io.open "/dev/null")
    assert.equal("file", io.type(file))
    assert.same({ "0", "1", "2" }, sh "ls /proc/$$/fd":all())
    local status = table.concat(exec{ "cat", "/proc/self/status" }:all(), "\n")
    for name in ("SigBlk SigIgn SigCgt"):gmatch "%S+" do
      local set = tonumber(status:match(name .. ":\t(%x+)"), 16)
      assert.equal(0, set & ~(3 << 31), name)   -- 32 and 33 are the C library's own
    end
  end)

  it("is in the script's process group", function()
    local function group(pid) return harness.read("/proc/" .. pid .. "/stat"):match "%) %S %d+ (%d+)" end
    assert.equal(group "self", sh "cut -d' ' -f5 /proc/$$/stat":all()[1])
  end)

  -- ---- its end ----

  it("tells how the command ended, and what it said of it", function()
    assert.same({ status = 0, stderr = "" }, exec{ "true" }:result())
    assert.same({ status = 7, stderr = "no\nluck" }, sh "printf 'no\\nluck' >&2; exit 7":result())
    assert.same({ signal = "KILL", stderr = "" }, sh "kill -KILL $$":result())
    assert.same({ signal = "SEGV", stderr = "" }, sh "kill -SEGV $$":result())
    local run = sh "echo line; exit 3"
    assert.same({ "line" }, run:all())
    assert.equal(3, run:result().status)
    assert.equal(3, run:result().status)
  end)

  it("drops in result() the lines that nobody took", function()
    local run = exec{ "seq", 1000000 }
    assert.equal("1", run())
    assert.equal(0, run:result().status)
    assert.is_nil(run())
  end)

  it("can have standard error among the lines", function()
    local run = sh("echo 1; echo 2 >&2; echo 3", { stderr = "merge" })
    assert.same({ "1", "2", "3" }, run:all())
    assert.same({ status = 0, stderr = "" }, run:result())
  end)

  it("can have the script's standard error", function()
    local script = harness.write(harness.directory() .. "/script.lua",
      [[require "harp".exec{ "sh", "-c", "echo said >&2", stderr = "log" }:result()]])
    local output, errors = harness.harp(script)
    assert.same({ "", "said\n" }, { output, errors })
  end)

  it("looks beyond a directory of PATH that nobody may look into", function()
    if harness.shell "id -u" == "0\n" then return pending "root may look everywhere" end
    local script = [[
      local ok, failure = pcall(require "harp".exec, { "no-such-command" })
      print(ok, failure.message)]]
    local closed = harness.directory() .. "/closed"
    os.execute("mkdir -m 000 " .. closed)
    assert.equal("false\tcannot run no-such-command: not found in PATH\n", (harness.shell(
      ("PATH=%s:$PATH %s -e %s"):format(closed, harness.program, harness.quote(script)))))
  end)

  it("says what cannot be started, and why", function()
    local function failure(options)
      local error = raised(harp.exec, options)
      return { error.kind, error.type, error.message }
    end
    assert.same({ "CommandError", "enoent", "cannot run no-such-command: not found in PATH" },
      failure{ "no-such-command" })
    assert.same({ "CommandError", "enoent", "cannot run /no/such: No such file or directory" }, failure{ "/no/such" })
    assert.same({ "CommandError", "eacces", "cannot run /etc/passwd: Permission denied" }, failure{ "/etc/passwd" })
    assert.same({ "CommandError", "enoent", "cannot run a command in /no/such: No such file or directory" },
      failure{ "true", cwd = "/no/such" })
    assert.same({ "CommandError", "enotdir", "cannot run a command in /etc/passwd: Not a directory" },
      failure{ "true", cwd = "/etc/passwd" })
  end)

  it("refuses what is no command", function()
    for _, case in ipairs{
      { {}, "there is no command" },
      { { "" }, "there is no command" },
      { { "echo", "a\0b" }, "word 2 must be a string without NUL, or a number" },
      { { "echo", {} }, "word 2 must be" },
      { { "echo", [3] = "a" }, "word 2 is missing" },
      { { "echo", shell = true }, 'there is no option "shell"' },
      { { "echo", timeout = 0 }, "timeout must be seconds above 0" },
      { { "echo", timeout = 0 / 0 }, "timeout must be seconds above 0" },
      { { "echo", stderr = "drop" }, 'stderr must be "result", "merge" or "log"' },
      { { "echo", parse = "xml" }, 'parse must be "json"' },
      { { "echo", stdin = 5 }, "stdin must be a string" },
      { { "echo", cwd = "/\0" }, "cwd must be a string without NUL" },
      { { "echo", env = { ["A=B"] = "" } }, 'env: "A=B" is no name of a variable' },
      { { "echo", env = { A = 5 } }, "env: A must be a string without NUL, or false" },
    } do
      local failure = raised(function() harp.exec(case[1]) end)
      assert.truthy(failure:find("exec_spec.lua:%d+: harp.exec: "), failure)
      assert.truthy(failure:find(case[2], 1, true), failure)
    end
  end)

  -- ---- ending it ----

  it("sends signals", function()
    local run = sh "trap 'echo caught; exit 5' HUP; echo ready; while :; do sleep 0.01; done"
    assert.equal("ready", run())
    assert.is_true(run:kill "SIGHUP")
    assert.same({ "caught" }, run:all())
    assert.equal(5, run:result().status)
    assert.is_false(run:kill())
    run = exec{ "sleep", 100 }
    run:kill(9)
    assert.equal("KILL", run:result().signal)
    assert.truthy(raised(run.kill, run, "FUNNY"):find "no such signal")
  end)

  it("ends a command that runs too long, and hands on what it printed", function()
    local run, first, timeout = begin_in_time "echo one; exec sleep 100"
    assert.equal("one", first)
    local failure = raised(run)
    assert.same({ "TimeoutError", "timeout", ("sh ran longer than its timeout of %g s"):format(timeout) },
      { failure.kind, failure.type, failure.message })
    assert.equal("TimeoutError", raised(run.result, run).kind)
  end)

  it("has not run too long when its script was busy for that time", function()
    local well, line
    for _ = 1, 10 do
      local run = sh("echo one", { timeout = 0.2 })
      os.execute "sleep 0.5"
      well, line = pcall(run)
      if well then break end    -- else it may have been slow indeed
    end
    assert.same({ true, "one" }, { well, line })
  end)

  it("ends at its timeout also when only what it left behind goes on", function()
    local run, pid = begin_in_time "sleep 100 & echo $!"
    assert.equal("TimeoutError", raised(run).kind)
    os.execute("kill " .. pid)
  end)

  it("ends a command that ignores TERM by KILL", function()
    local run = sh "trap '' TERM; echo $$; while :; do sleep 0.05; done"
    local pid = run()
    assert.is_true(harness.seconds(function()
      run:close()
      assert.equal("KILL", run:result().signal)
    end) > 1)
    assert.is_true(gone(pid))
  end)

  it("ends a command when its loop is left, its object collected, or its task cancelled", in_task(function()
    local pid
    for line in sh "echo $$; echo more; exec sleep 100" do
      if line == "more" then break end
      pid = line
    end
    soon(function() return gone(pid) end)

    pid = sh "echo $$; exec sleep 100"()
    collectgarbage()
    soon(function() return gone(pid) end)

    pid = nil
    local task = harp.spawn(function()
      for line in sh "echo $$; exec sleep 100" do pid = line end
    end)
    soon(function() return pid end)
    task:cancel()
    raised(task.join, task)
    soon(function() return gone(pid) end)
  end))

  it("gives nothing more once it is closed, but tells how it ended", function()
    local run = sh "trap '' PIPE; exec yes"
    assert.equal("y", run())
    run:close()
    run:close()
    assert.is_nil(run())
    assert.equal("TERM", run:result().signal)
  end)

  it("ends with the script", function()
    local directory = harness.directory()
    local script = harness.write(directory .. "/script.lua", [[
      local run = require "harp".exec{ "sh", "-c", "echo $$; sleep 100; echo >late", cwd = ... }
      print(run())
    ]])
    local pid, errors, status = harness.harp(script .. " " .. directory)
    assert.same({ "", 0 }, { errors, status })
    assert.is_true(gone(pid:match "%d+"))
    assert.is_nil(lfs.attributes(directory .. "/late"))
  end)
end)

describe("disk_usage of the examples", function()
  teardown(harness.clean_up)

  it("asks df, and no shell", function()
    local script = harness.write(harness.directory() .. "/script.lua", [[
      local host = require "harp".caller().localhost
      print(math.type(host.disk_usage():get().used_percent))
      print(host.disk_usage "/no such; echo a":result{ wait = true }.message)
    ]])
    local output, errors = harness.harp("--local " .. script)
    assert.same({ "integer\ndf: '/no such; echo a': No such file or directory\n", "" }, { output, errors })
  end)
end)

describe("a command as a procedure", function()
  local daemon

  local PROCEDURES = [[
    command("words", { "printf", "<%s>\\n", "--path=" .. arg "path", arg "a", arg("b", true) .. "/" .. arg "a",
      arg{ "free", dash = true, default = "-x" }, "--", arg("last", 1.5) })
    command("pair", { "printf", "<%s>\\n", "x", arg("a", "-v"), arg("b", "") .. arg("c", "") })
    command("bytes", { "printf", "\\377a\\nb\\300\\200\\n" })
    command("numbers", { parse = "json" }, { "printf", "1\n{\"a\":2}\n" })
    command("broken", { parse = "json" }, { "printf", "1\nx\n" })
    command("say", { "sh", "-c", 'echo out; echo err >&2; exit "$1"', "sh", arg "status" })
    command("must", { check = true }, { "sh", "-c", 'echo bad luck >&2; exit "$1"', "sh", arg "status" })
    command("dies", { check = true }, { "sh", "-c", "kill -KILL $$" })
    command("merged", { stderr = "merge", cwd = "/usr" }, { "sh", "-c", "pwd; echo err >&2" })
    command("forever", { "sh", "-c", "echo $$; exec sleep 100" })
    command("nowhere", { "no-such-command" })
  ]]

  setup(function() daemon = harness.daemon{ procedures = PROCEDURES } end)
  teardown(harness.clean_up)

  local function call(procedure, arguments)
    return harness.ask_tls(daemon,
      ('{"harp":1,"procedure":%q,"arguments":%s,"auth":{"user":"tester","password":"secret"}}\n'):format(
        procedure, arguments or "[]"))
  end

  -- Packets, and the last line's member.
  local function outcome(...)
    local lines, packets = call(...), {}
    for i = 2, #lines - 1 do packets[i - 1] = harp.decode(lines[i]).stream end
    return harp.decode(lines[#lines]), packets
  end

  local function refused(...)
    local error = harp.decode(call(...)[1]).error
    assert.equal("invalid_argument_list", error.type)
    return error.message
  end

  it("takes its arguments by position or name, defaults where there are some", function()
    local last, packets = outcome("words", '["/x y","$(id)"]')
    assert.same({ "<--path=/x y>", "<$(id)>", "<true/$(id)>", "<-x>", "<-->", "<1.5>" }, packets)
    assert.same({ result = { status = 0, signal = harp.null, stderr = "" } }, last)
    last, packets = outcome("words", '{"a":"","path":"-p","b":false,"free":"-f","last":"--l"}')
    assert.same({ "<--path=-p>", "<>", "<false/>", "<-f>", "<-->", "<--l>" }, packets)
    assert.equal(0, last.result.status)
    packets = select(2, outcome("words", '[12345678901234567,0.1,null]'))
    assert.same({ "<--path=12345678901234567>", "<0.1>", "<true/0.1>" }, table.move(packets, 1, 3, 1, {}))
  end)

  it("refuses arguments before it runs", function()
    assert.equal('argument "path" is missing', refused "words")
    assert.equal('argument "a" is missing', refused("words", '{"path":"/"}'))
    assert.equal('argument "a" must not begin with "-"', refused("words", '["/","-rf"]'))
    assert.equal('argument "b" must not begin with "-"', refused("words", '["/","x","-"]'))
    assert.equal('argument "a" must be a string, a number or a boolean', refused("words", '["/",[]]'))
    assert.equal('argument "a" has a NUL character', refused("words", '["/","\\u0000"]'))
    assert.truthy(refused("words", '[1,2,3,4,5,6]'):find("words(path, a, b, free, last) takes 5 arguments", 1, true))
    assert.truthy(refused("words", '{"z":1}'):find 'has no parameter "z"')
  end)

  it("lets only itself and its defaults begin a word with a dash", function()
    assert.same({ "<x>", "<-v>", "<>" }, (select(2, outcome "pair")))
    assert.same({ "<x>", "<-v>", "<b-c>" }, (select(2, outcome("pair", '[null,"b","-c"]'))))
    assert.equal('argument "a" must not begin with "-"', refused("pair", '["-v"]'))
    assert.equal('argument "c" must not begin with "-"', refused("pair", '{"c":"-c"}'))
    assert.equal('argument "c" must not begin with "-"', refused("pair", '{"b":"","c":"-c"}'))
  end)

  it("streams lines, in which U+FFFD stands for what is not UTF-8", function()
    local _, packets = outcome "bytes"
    assert.same({ "\u{FFFD}a", "b\u{FFFD}\u{FFFD}" }, packets)
  end)

  it("streams JSON lines as values, and fails at one that is none", function()
    assert.same({ 1, { a = 2 } }, (select(2, outcome "numbers")))
    local last, packets = outcome "broken"
    assert.equal("parse_error", last.exception.type)
    assert.truthy(last.exception.message:find "line 2 is not JSON")
    assert.same({ 1 }, packets)
  end)

  it("gives status and standard error; a status can be an exception", function()
    assert.same({ result = { status = 3, signal = harp.null, stderr = "err\n" } }, (outcome("say", "[3]")))
    assert.equal(0, outcome("must", "[0]").result.status)
    local exception = outcome("must", "[4]").exception
    assert.same({ "command_failed", "sh: exit status 4: bad luck" }, { exception.type, exception.message })
    assert.same({ 4, "bad luck\n" }, { exception.data.status, exception.data.stderr })
    assert.equal("sh: ended by SIGKILL", outcome "dies".exception.message)
    local last, packets = outcome "merged"
    assert.same({ "/usr", "err" }, packets)
    assert.equal("", last.result.stderr)
    exception = outcome "nowhere".exception
    assert.same({ "enoent", "cannot run no-such-command: not found in PATH" }, { exception.type, exception.message })
  end)

  it("ends when its caller is gone", function()
    local connection = harness.connect_tls(daemon)
    connection:send '{"harp":1,"procedure":"forever","arguments":[],"auth":{"user":"tester","password":"secret"}}\n'
    connection:receive "*l"
    local pid = harp.decode(connection:receive "*l").stream
    connection:close()
    harness.eventually(function() return gone(pid) end)
    harness.eventually(function() return daemon:children() == 0 end)
  end)

  it("is refused at its registration when it is none", function()
    local command = require "harp.command"
    local arg = command.arg
    for _, case in ipairs{
      { {}, nil, "a command is a list of words" },
      { { arg "program" }, nil, "its program must be a text, and no arg" },
      { { "" }, nil, "its program must be a text, and no arg" },
      { { "ls", {} }, nil, "word 2 must be a string without NUL, a number or an arg" },
      { { "ls", "a\0" }, nil, "word 2 must be" },
      { { "ls", [3] = "a" }, nil, "word 2 is missing" },
      { { "ls" }, { parse = "xml" }, 'option parse: must be "json"' },
      { { "ls" }, { check = 1 }, "option check: must be true or false" },
    } do
      local failure = raised(command.make, case[1], case[2])
      assert.truthy(failure:find(case[3], 1, true), failure)
    end
    assert.truthy(raised(arg, "no-name"):find "takes the name of a parameter")
    assert.truthy(raised(arg, "x", {}):find "default must be")
    assert.truthy(raised(arg, { "x", dashes = true }):find 'no option "dashes"')
    assert.truthy(raised(function() return arg "x" .. {} end):find "exec_spec.lua:%d+: an arg goes together with")
    local _, parameters, others = command.make({ "ls", arg "b" .. arg "a", arg "b" }, { check = true, timeout = 5 })
    assert.same({ { "b", "a" }, { timeout = 5 } }, { parameters, others })
  end)
end)
