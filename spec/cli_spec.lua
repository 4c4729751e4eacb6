-- The program as a shell sees it.

local harness = require "spec.support.harness"
local harp_ = harness.harp

local function script(text)
  return harness.write(harness.directory() .. "/script.lua", text)
end

describe("harp", function()
  teardown(harness.clean_up)

  it("runs a script with its arguments, with and without `run`", function()
    local path = script "#!/usr/bin/env harp\nprint(arg[0], arg[1], arg[2], #arg, ...)"
    for _, how in ipairs{ "", "run " } do
      local output, errors, code = harp_(how .. path .. " one 'two 2'")
      assert.same({ path .. "\tone\ttwo 2\t2\tone\ttwo 2\n", "", 0 }, { output, errors, code })
    end
  end)

  it("runs a line of code, and standard input", function()
    assert.same({ "1\n", "", 0 }, { harp_ "-e 'print(1)'" })
    assert.same({ "a\t-x\n", "", 0 }, { harp_ "-e 'print(...)' a -x" })
    assert.same({ "2\tb\n", "", 0 }, { harp_("- b", "print(2, ...)") })
  end)

  it("hands options behind the script on to it", function()
    assert.same({ "--local\t--help\n", "", 0 }, { harp_(script "print(...)" .. " --local --help") })
  end)

  it("says where a script failed, and exits with 1", function()
    local output, errors, code, _
    output, errors, code = harp_(script "print 'before'\nlocal function f() error 'oh no' end\nf()")
    assert.same({ "before\n", 1 }, { output, code })
    assert.truthy(errors:find "script.lua:2: oh no")
    assert.truthy(errors:find "stack traceback:.*script.lua:3: in main chunk")
    _, errors, code = harp_(script "x = = 1")
    assert.equal(1, code)
    assert.truthy(errors:find "script.lua:1: unexpected symbol")
    _, errors, code = harp_ "/no/such/script.lua"
    assert.equal(1, code)
    assert.truthy(errors:find "/no/such/script.lua")
    _, errors, code = harp_ "-e 'error{code = 1}'"
    assert.equal(1, code)
    assert.truthy(errors:find "table:")
    _, errors = harp_ "-e 'require \"harp\".caller(\"127.0.0.1:1\").h.f()'"
    assert.truthy(errors:find "^harp: econnrefused: 127.0.0.1:1: Connection refused; ")
  end)

  it("exits as a script says", function()
    assert.equal(7, (select(3, harp_ "-e 'os.exit(7)'")))
    assert.equal(0, (select(3, harp_ "-e 'os.exit(true, true)'")))
  end)

  it("goes on until every task has ended", function()
    local code = [[local harp = require "harp" harp.spawn(function() harp.sleep(0.02) print "task" end) print "main"]]
    assert.same({ "main\ntask\n", "", 0 }, { harp_("-", code) })
  end)

  it("reports an error that no join saw, and fails", function()
    local output, errors, status = harp_("-", [[
      local harp = require "harp"
      harp.spawn(function() harp.sleep(0.01) error "unseen" end)
      harp.spawn(function() harp.sleep(0.02) print "the others go on" end)]])
    assert.same({ "the others go on\n", 1 }, { output, status })
    assert.truthy(errors:find "a task failed: .*unseen.*stack traceback")
  end)

  it("ends a script that can never go on", function()
    local _, errors, code = harp_("-", [[
      local harp = require "harp"
      local a, b
      a = harp.spawn(function() b:join() end)
      b = harp.spawn(function() a:join() end)
      a:join()]])
    assert.equal(1, code)
    assert.truthy(errors:find "deadlock")
  end)

  it("runs without standard streams, and says what was lost of them", function()
    local sleep = harness.program .. " -e 'require\"harp\".sleep(0)'"
    assert.equal(0, select(2, harness.shell(sleep .. " <&- >&- 2>&-")))
    local output, status = harness.shell(harness.program .. " -e 'print(1)' 2>&1 >&- <&-")
    assert.truthy(output:find "could not be written")
    assert.equal(1, status)
  end)

  it("says that its output was lost, on a full disk", function()
    local output, status = harness.shell(harness.program .. " -e 'print(1)' 2>&1 >/dev/full")
    assert.equal(1, status)
    assert.truthy(output:find "some of standard output is lost")
  end)

  it("is interrupted by SIGINT, in a wait and in a tight loop", function()
    for _, code in ipairs{
      "require [[harp]].sleep(100)", "while true do end",
      "coroutine.wrap(function() require [[harp]].sleep(100) end)()",
      "local g = coroutine.wrap(function() while true do end end) g()",
      "table.sort({2,1}, function() require [[harp]].sleep(100) end)",
      -- a task that waits in place hears of it, and the main one does as well
      "local h = require [[harp]] h.spawn(table.sort, {2,1}, function() h.sleep(100) end) h.sleep(100)",
    } do
      local output, status = harness.signalled("INT", { "on" },
        ([[%s -e 'io.stderr:write "on\n" %s']]):format(harness.program, code))
      assert.equal(130, status, code)
      assert.truthy(output:find "interrupted", code)
    end
  end)

  it("is ended by a second SIGINT, whatever the script does with the first", function()
    local output, status = harness.signalled("INT", { "on", "caught" }, ([==[%s -e '
      while true do
        pcall(function() io.stderr:write "on\n" require [[harp]].sleep(100) end)
        io.stderr:write "caught\n"
      end']==]):format(harness.program))
    assert.equal(128 + 2, status)
    assert.truthy(output:find "^on\ncaught\n" and not output:find "interrupted", output)
  end)

  it("knows its commands, and what is wrong with a call of it", function()
    local output, errors, code, _
    output, errors, code = harp_ "help"
    assert.same({ "", 0 }, { errors, code })
    for _, name in ipairs{ "run", "-e CODE", "dispatcher", "daemon", "version" } do
      assert.truthy(output:find(name, 1, true))
    end
    assert.truthy(harp_ "--version":find "^harp %d+%.%d+%.%d+\n")
    assert.truthy(harp_ "run --help":find "Usage: harp")
    assert.truthy(harp_ "daemon --help":find "Usage: harp daemon")
    for _, wrong in ipairs{ "--nonsense", "run", "run --local", "-e", "--hosts a x.lua", "daemon", "dispatcher",
      "daemon --config", "dispatcher --config x y", "--procedures /no/such --local x.lua" } do
      output, errors, code = harp_(wrong)
      assert.same({ "", 2 }, { output, code })
      assert.truthy(errors ~= "")
    end
    _, errors, code = harp_ "--debug jobs"
    assert.same({ "harp: a command comes first, and its options behind it: jobs; see harp run --help\n", 2 },
      { errors, code })
    _, errors, code = harp_ "dispatcher --config /no/such.lua"
    assert.equal(1, code)
    assert.truthy(errors:find "/no/such.lua")
  end)

  describe("--local", function()
    local directory

    -- A stack of this spec alone: its files, and its servers' command lines, are in a directory of their own.
    local function local_(arguments)
      return harness.shell(("TMPDIR=%s %s"):format(directory, arguments:gsub("HARP", harness.program)))
    end

    -- One that gets a signal while its script waits.
    local function signalled(signal)
      return harness.signalled(signal, { "on" }, ([[TMPDIR=%s %s --local -e '
        io.stderr:write "on\n" require "harp".sleep(100)']]):format(directory, harness.program))
    end

    local function servers()
      return harness.shell(("pgrep -f 'harp (dispatcher|daemon) --config [%s]%s'"):format(
        directory:sub(1, 1), directory:sub(2)))
    end

    local function leftovers()
      return harness.shell("ls " .. directory) .. servers()
    end

    before_each(function() directory = harness.directory() end)

    it("has both servers for the script, and nothing of them afterwards", function()
      local file = script [[
        local harp = require "harp"
        print(harp.caller().localhost.sum_and_difference(5, 3):get().sum)
        print(harp.caller("localhost").localhost.return_immediate(1):get()[1])
        print(harp.server{ host = "localhost" }.sum_and_difference(5, 3).difference)]]
      assert.equal("8\n1\n2\n", (local_("HARP --local " .. file .. " 2>&1")))
      assert.equal("", leftovers())
    end)

    it("cleans up however the script ends", function()
      for arguments, status in pairs{
        ["HARP --local -e 'os.exit(3)'"] = 3,
        ["HARP --local -e 'error [[x]]' 2>/dev/null"] = 1,
      } do
        assert.equal(status, select(2, local_(arguments)), arguments)
        assert.equal("", leftovers())
      end
      assert.equal(130, select(2, signalled "INT"))
      assert.equal("", leftovers())
    end)

    it("leaves no server, and no file with a secret, of a script that was killed", function()
      for _, kill in ipairs{
        function() signalled "KILL" end, function() signalled "TERM" end,
        function() local_ "HARP --local -e 'for i = 1, 1e5 do print(i) end' 2>/dev/null | head -n 1" end,
      } do
        kill()
        harness.eventually(function() return leftovers() == "" end)
      end
    end)

    it("offers the procedures it is told, under the names it is told", function()
      local file = harness.write(harness.directory() .. "/own.lua", 'procedure("own", function(a) return a end)')
      local output, errors = harp_(("--local --procedures %s --hosts web01,web02 -"):format(file), [[
        local rpc = require "harp".caller()
        for _, name in ipairs{ "web01", "web02", "localhost" } do print(rpc(name).own(name):get()) end]])
      assert.same({ "web01\nweb02\nlocalhost\n", "" }, { output, errors })
      file = harness.write(harness.directory() .. "/broken.lua", "procedure(")
      local _, broken, code = harp_(("--local --procedures %s -e ''"):format(file))
      assert.equal(1, code)
      assert.truthy(broken:find "the daemon did not start: .*broken.lua:1:")
    end)
  end)

  describe("the recipes", function()
    it("run the synopsis: through a dispatcher", function()
      local output, errors, code = harp_ "--local scripts/recipes/dispatcher.lua"
      assert.same({ "", 0 }, { errors, code })
      assert.truthy(output:find('packet 4\t{"counter":4}\ncancelled:\ttrue\nresult:\tharp.CALL_CANCELLED\n', 1, true))
      assert.truthy(output:find('returned:\t["bar","baz"]\n', 1, true))
      assert.truthy(output:find("failed:\tRemoteException\texample_failure\tout of paper\n", 1, true))
    end)

    it("run the synopsis: straight to a daemon", function()
      local output, errors, code = harp_ "--local scripts/recipes/daemon.lua"
      assert.same({ "", 0 }, { errors, code })
      assert.equal(4, select(2, output:gsub("log message:", "")))
      assert.truthy(output:find 'result:\t{"m[^\n]*\n$')
    end)

    it("ask a fleet", function()
      local output, errors, code = harp_ "--local --hosts web01,web02 scripts/recipes/fleet.lua web01 web02 web99"
      assert.same({ "", 0 }, { errors, code })
      assert.truthy(output:find "^web01 +up .* full\nweb02 +up .* full\nweb99 +RemoteError %(unknown_host%)")
      assert.equal(2, (select(3, harp_ "scripts/recipes/fleet.lua")))
    end)
  end)
end)
