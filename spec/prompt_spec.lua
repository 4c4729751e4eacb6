-- The prompt as a person sees it: the real program on a real terminal.

local harness = require "spec.support.harness"
local screen = require "spec.support.screen"
local lfs = require "lfs"
local socket = require "socket"

describe("the prompt", function()
  local program = harness.program

  teardown(function()
    screen.close_all()
    harness.clean_up()
  end)

  -- A prompt without a dispatcher.
  local function prompt(options)
    options = options or {}
    options.env = options.env or "NO_COLOR=1 HARP_CALLER=127.0.0.1:1"
    local it = screen.open(program .. " repl", options)
    it:expect "harp> "
    return it
  end

  local function last_line(it) return it:text():match "[^\n]*$" end

  -- Waits until that is the last line of the screen.
  local function expect_line(it, line)
    local ok = pcall(harness.eventually, function() return last_line(it) == line end)
    if not ok then error(("the last line is not %q:\n%s"):format(line, it:text()), 2) end
  end

  -- Presses Tab until a plain text is at the end of the screen: what servers have to
  -- say is not waited for longer than a second, and is there the next time.
  local function complete(it, text)
    local again = 0
    local ok = pcall(harness.eventually, function()
      if it:text():sub(-#text) == text then return true end
      if socket.gettime() > again then
        it:press "Tab"
        again = socket.gettime() + 5
      end
    end)
    if not ok then error(("%q is not at the end of the screen:\n%s"):format(text, it:text()), 2) end
  end

  describe("reads and prints:", function()
    local it_is
    setup(function() it_is = prompt() end)
    before_each(function() it_is:clear() end)
    teardown(function() it_is:close() end)

    -- What a line prints; `last` is the last line of it.
    local function printed(line, last)
      it_is:enter(line)
      it_is:expect("\n" .. last .. "\nharp>")
      local text = it_is:text():gsub("^[^\n]*\n", ""):gsub("\nharp>$", "")
      it_is:clear()
      return text
    end

    it("all values of an expression, and keeps the first one", function()
      assert.equal('3\n"a\\n"\nnil\ntrue', printed([[1 + 2, "a\n", nil, true]], "true"))
      assert.equal("6", printed("_ * 2", "6"))
    end)

    it("arrays, tables and cycles", function()
      assert.equal("[1, 2, 3]", printed("{ 1, 2, 3 }", "[1, 2, 3]"))
      assert.equal("[]", printed("harp.array{}", "[]"))
      assert.equal('{ a = 1, ["b c"] = { d = "x" } }', printed('{ a = 1, ["b c"] = { d = "x" } }',
        '{ a = 1, ["b c"] = { d = "x" } }'))
      it_is:enter("t = {} t.t = t t.null = harp.null")
      it_is:clear()
      assert.equal("{ null = harp.null, t = <cycle> }", printed("t", "{ null = harp.null, t = <cycle> }"))
    end)

    it("deep, long and wide values within bounds", function()
      assert.equal("[[[[[[…]]]]]]", printed("{{{{{{{{1}}}}}}}}", "[[[[[[…]]]]]]"))
      it_is:enter "t = {} for i = 1, 1000 do t[i] = i end"
      it_is:enter("t", "… 900 more")
      it_is:clear()
      it_is:enter("{ ('x'):rep(100000) }", "(100000 bytes)")
    end)

    it("objects as what they are", function()
      assert.equal("caller at 127.0.0.1:1", printed("rpc", "caller at 127.0.0.1:1"))
      assert.equal("host web01 at 127.0.0.1:1", printed("rpc.web01", "host web01 at 127.0.0.1:1"))
      assert.equal("job abc", printed("rpc:job 'abc'", "job abc"))
      it_is:enter("rpc:job('abc'):follow()", "iterator over the packets of job abc: for v in _ do")
      it_is:clear()
      it_is:enter("rpc.web01.uptime", "procedure uptime of host web01 at 127.0.0.1:1")
      it_is:clear()
      it_is:enter("harp.spawn(function() end)", "task (")
    end)

    it("errors in a line, and goes on", function()
      it_is:enter("error 'oh'", "prompt:1: oh\nharp>")
      it_is:enter("x = = 1", "prompt:1: unexpected symbol near '='\nharp>")
      it_is:enter("rpc.web01.uptime()", "econnrefused: 127.0.0.1:1: Connection refused; nobody listens there")
      it_is:enter("error{ code = 3 }", "error: { code = 3 }")
      it_is:enter("harp.spawn(function() error(setmetatable({}, { __tostring = error })) end)",
        "harp: a task failed: an error whose __tostring fails")
      it_is:enter("'still'", '"still"\nharp>')
    end)

    it("what would speak to the terminal so that it does not", function()
      assert.equal([["\u{9b}2J"]], printed([["\u{9b}2J"]], [["\u{9b}2J"]]))
      it_is:enter [[t = { kind = "RemoteError", type = "odd", message = "\27[2J\u{9b}x" }]]
      it_is:enter([[error(require "harp.core".error(t))]], [[odd: \x1b[2J\u{9b}x]])
      it_is:enter([[require "harp.core".error(t)]], [[RemoteError (odd): \x1b[2J\u{9b}x]])
    end)

    it("chunks of several lines", function()
      it_is:enter("for i = 1, 2 do", "  ... ")
      it_is:enter "print('line', i)"
      it_is:enter("end", "line    1\nline    2\nharp>")
      it_is:clear()
      it_is:enter("s = [[a", "  ... ")
      it_is:enter "b]]"
      it_is:clear()
      assert.equal('"a\\nb"', printed("s", '"a\\nb"'))
      it_is:enter("(1 +", "  ... ")
      it_is:enter("2)", "3\nharp>")
    end)

    it("locals that last, shared with the functions that use them", function()
      it_is:enter "local x <const>, n = 5, 1"
      it_is:enter "local function up() n = n + 1 return n end"
      it_is:clear()
      assert.equal("5\n2\n2", printed("x, up(), n", "2"))
      it_is:enter "n = 10 local n = 'new'"
      it_is:clear()
      assert.equal('11\n"new"', printed("up(), n", '"new"'))
      it_is:enter "for i = 1, 2 do local inner = i end"
      assert.equal("nil", printed("inner", "nil"):match "nil$")
    end)

    it("the lines with a colon", function()
      local file = harness.write(harness.directory() .. "/loaded.lua", "#!/usr/bin/env harp\nlocal loaded = 41\n")
      it_is:enter(":load " .. file)
      it_is:clear()
      assert.equal("42", printed("loaded + 1", "42"))
      assert.equal('{"a":[1,null]}', printed(":json { a = { 1, harp.null } }", '{"a":[1,null]}'))
      it_is:enter(":time harp.sleep(0.02)", "s\nharp>")
      it_is:enter(":nothing", ":nothing is no command; :help lists them")
      it_is:enter(":help", "Tab completes names")
      it_is:clear()
      it_is:enter(":load " .. file .. "s", file .. "s: No such file or directory")
      it_is:clear()
      it_is:enter(":help harp.map", "fn(item, index) for all items at once")
      it_is:enter("help(('x').rep)", "function (built in)")
    end)

    it("names, fields, methods, keywords and modules, completed", function()
      local function completes(text, line)
        it_is:type(text)
        it_is:press "Tab"
        expect_line(it_is, "harp> " .. line)
        it_is:press "C-u"
        it_is:clear()
      end
      completes("tostr", "tostring")
      completes("whi", "while")
      completes("string.for", "string.format")
      completes("('x'):rev", "('x'):reverse")
      completes("rpc:req", "rpc:request")
      completes("print(harp.is_arr", "print(harp.is_array")
      completes("rpc:job('x'):cancel", "rpc:job('x'):cancel")
      completes("require 'cor", "require 'coroutine")
      it_is:enter "local job, text = rpc:job 'x', 'y'"
      it_is:clear()
      completes("job:foll", "job:follow")
      completes("text:up", "text:upper")
      completes("'a string tostr", "'a string tostr")
      completes(":qu", ":quit")
      it_is:type "string.re"
      it_is:press "Tab"
      it_is:expect "rep      reverse\nharp> string.re"
      it_is:press "C-u"
    end)

    it("beyond ASCII", function()
      it_is:type "s = 'äö€x'"
      it_is:press "BSpace BSpace BSpace"
      it_is:enter "ü'"
      it_is:clear()
      assert.equal('"äöü"', printed("s", '"äöü"'))
    end)
  end)

  describe("at Ctrl-C", function()
    local it_is
    setup(function() it_is = prompt() end)
    before_each(function() it_is:clear() end)
    teardown(function() it_is:close() end)

    it("gives up the line, empty or not, or of several", function()
      it_is:press "C-c"
      it_is:expect "harp> ^C\nharp>"
      it_is:type "x = 1 +"
      it_is:expect "harp> x = 1 +"
      it_is:press "C-c"
      it_is:expect "harp> x = 1 +^C\nharp>"
      it_is:enter("f(", "  ... ")
      it_is:type "1,"
      it_is:expect "  ... 1,"
      it_is:press "C-c"
      it_is:expect "  ... 1,^C\nharp>"
      it_is:enter("'still'", '"still"\nharp>')
    end)

    it("stops what runs: a loop, a sleep, a generator", function()
      for _, line in ipairs{
        "while true do end", "harp.sleep(1e6)",
        "for i in coroutine.wrap(function() while true do coroutine.yield(1) end end) do end",
        "table.sort({ 1, 2, 3 }, function() harp.sleep(1e6) end)",
      } do
        it_is:enter("print 'on' " .. line, "\non")
        it_is:press "C-c"
        it_is:expect "^C\ninterrupted\nharp>"
        it_is:clear()
      end
      it_is:enter("'still'", '"still"\nharp>')
    end)

    it("reaches a task that keeps the prompt from its turn", function()
      local sign = harness.directory() .. "/on"
      it_is:enter(("t = harp.spawn(function() io.open(%q, 'w'):close() while true do end end)"):format(sign))
      harness.eventually(function() return lfs.attributes(sign) end)
      it_is:press "C-c"
      it_is:expect "interrupted"
      it_is:enter("'still'", '"still"\nharp>')
    end)
  end)

  it("shows what tasks write above the line, and leaves the line alone", function()
    local it_is = prompt{ columns = 40 }
    local long = "this line is longer than the terminal is wide, and so it wraps twice"
    local wrapped = ("harp> " .. long):gsub(("."):rep(40), "%0\n")
    local file = harness.write(it_is.directory .. "/task.lua", ([[
      local function step(name) while not io.open(%q .. name) do harp.sleep(0.01) end end
      harp.spawn(function()
        step "1" print "one" io.stderr:write "two\n" io.write "three"
        step "2" os.execute "echo four; echo five >&2"
        step "3" io.write(("6"):rep(100000), "\n")
        step "4" error "oops"
      end)]]):format(it_is.directory .. "/"))
    it_is:enter(":load " .. file)
    it_is:clear()
    it_is:type(long)
    it_is:expect(wrapped)
    for i, text in ipairs{ "one\ntwo\nthree\n", "\nfour\nfive\n", ("6"):rep(40) .. "\n", "oops\n" } do
      harness.write(it_is.directory .. "/" .. i, "")
      it_is:expect(text)
      it_is:expect(wrapped)
    end
    it_is:expect "harp: a task failed: "
    it_is:press "C-c"
    it_is:close()
  end)

  it("begins a line of its own, whatever was written or typed before", function()
    local it_is = prompt()
    it_is:enter("io.write 'no end' return 1", "\nno end1\nharp>")
    it_is:enter("io.write 'no end'; return", "\nno end~\nharp>")
    it_is:enter "harp.sleep(0.3)"
    it_is:type "early"
    it_is:expect "harp> harp.sleep(0.3)\nharp> early"
    it_is:close()
  end)

  it("takes what is pasted", function()
    local it_is = prompt()
    it_is:type "for i = 1, 2 do\n\tprint('line', i)\nend\n'pasted'\n"
    it_is:expect "\nline    1\nline    2\n"
    it_is:expect '"pasted"\nharp>'
    it_is:close()
  end)

  it("is there again in a window of another size", function()
    local it_is = prompt{ columns = 60 }
    it_is:type "aaaaaaaaaa bbbbbbbbbb cccccccccc dddddddddd"
    it_is:expect "harp> aaaaaaaaaa bbbbbbbbbb cccccccccc dddddddddd"
    it_is:resize(30, 20)
    it_is:expect "harp> aaaaaaaaaa bbbbbbbbbb cc\ncccccccc dddddddddd"
    it_is:type " e"
    it_is:expect "cccccccc dddddddddd e"
    it_is:resize(80, 20)
    it_is:expect "harp> aaaaaaaaaa bbbbbbbbbb cccccccccc dddddddddd e"
    it_is:close()
  end)

  it("is drawn while a key of several bytes has not all come", function()
    local it_is = prompt()
    it_is:enter "_ = harp.spawn(function() harp.sleep(0.3) print 'meanwhile' end)"
    it_is:press "Escape"
    it_is:expect "\nmeanwhile\nharp>"
    it_is:press "C-c"
    it_is:expect "harp> ^C\nharp>"
    it_is:enter "_ = harp.spawn(function() harp.sleep(0.3) print 'during a search' end)"
    it_is:press "C-r"
    it_is:type "rch"
    it_is:expect "\nduring a search\n"
    it_is:expect "bck:rch"
    it_is:press "C-c"
    expect_line(it_is, "harp>")
    it_is:enter("'still'", '"still"\nharp>')
    it_is:close()
  end)

  it("has colours, unless NO_COLOR is set or the terminal is dumb", function()
    local it_is = prompt{ env = "HARP_CALLER=127.0.0.1:1" }
    it_is:enter("'text'", '"text"')
    assert.truthy(it_is:coloured_text():find('\27%[32m"text"'))
    it_is:close()
    it_is = prompt()
    it_is:enter("'text'", '"text"')
    assert.falsy(it_is:coloured_text():find("\27[32m", 1, true))
    it_is:close()
    it_is = prompt{ env = "TERM=dumb HARP_CALLER=127.0.0.1:1" }
    it_is:enter("'text'", '"text"\nharp>')
    it_is:close()
  end)

  describe("has a history", function()
    it("that outlives it, is the owner's alone, and knows no secrets", function()
      local it_is = prompt()
      for _, line in ipairs{
        "'first'", "password = 'hunter2'", "t = { token = 'hunter3' }", "f{ ['api-key'] = 'hunter4' }",
        "login_secret 'hunter6'", "for key, v in pairs {} do end",
      } do
        it_is:enter(line)
      end
      it_is:enter("secret = [[", "  ... ")
      it_is:enter "hunter5]]"
      it_is:enter("'last'", '"last"')
      local file = it_is.state .. "/harp/history"
      assert.equal("'first'\nfor key, v in pairs {} do end\n'last'\n", harness.read(file))
      assert.equal("600", harness.shell("stat -c %a " .. file):match "%d+")
      assert.equal("700", harness.shell("stat -c %a " .. it_is.state .. "/harp"):match "%d+")
      it_is:close()
      local again = prompt{ directory = it_is.state }
      again:press "Up Up Up Enter"
      again:expect '"first"'
      again:press "C-r"
      again:type "las"
      again:press "Enter"
      again:expect '"last"'
      again:close()
    end)

    it("that several prompts write, and that does not grow without end", function()
      local directory = harness.directory()
      local one, other = prompt{ directory = directory }, prompt{ directory = directory }
      one:enter("'one'", '"one"\n')
      other:enter("'other'", '"other"\n')
      local file = directory .. "/harp/history"
      assert.equal("'one'\n'other'\n", harness.read(file))
      harness.write(file, ("-- a line of some length\n"):rep(20000))
      one:enter("'newest'", '"newest"\n')
      local text = harness.read(file)
      assert.truthy(#text < 256 * 1024, #text)
      assert.truthy(text:find "\n'newest'\n$")
      assert.truthy(text:find "^%-%- a line")
      one:close()
      other:close()
    end)
  end)

  it("shows what a daemon says of its procedures, and does nothing of it", function()
    local file = harness.write(harness.directory() .. "/procedures.lua",
      "-- Clears\27[2J all.\nprocedure('wipe', function() end)\n")
    local it_is = screen.open(("%s repl --debug --local --procedures %s"):format(program, file), { env = "NO_COLOR=1" })
    it_is:expect("harp> ")
    it_is:enter("help(rpc.localhost)", "wipe()  Clears\\x1b[2J all.")
    it_is:expect '{"result":['
    it_is:close()
  end)

  describe("with a dispatcher and a daemon of its own", function()
    local it_is
    setup(function()
      it_is = screen.open(program .. " repl --local --hosts web01,web02,db-1", { env = "NO_COLOR=1" })
      it_is:expect("harp> ")
    end)
    before_each(function() it_is:clear() end)
    teardown(function() it_is:close() end)

    it("completes hosts and procedures by asking", function()
      it_is:type "rpc.we"
      complete(it_is, "harp> rpc.web0")
      it_is:press "Tab"
      it_is:expect "web01  web02\nharp> rpc.web0"
      it_is:type "1.disk_"
      complete(it_is, "harp> rpc.web01.disk_usage")
      it_is:expect "disk_usage(path)  Use of the file system"
      it_is:press "C-u"
      it_is:type 'rpc("local'
      complete(it_is, 'harp> rpc("localhost')
      it_is:type '").cur'
      complete(it_is, 'harp> rpc("localhost").current_time')
      it_is:press "C-u"
      it_is:type "rpc.d"
      complete(it_is, 'harp> rpc("db-1")')
      it_is:press "C-u"
    end)

    it("tells of remote procedures", function()
      it_is:enter("help(rpc.web01.disk_usage)", "disk_usage(path)  a procedure of host web01")
      it_is:expect "Use of the file system that holds `path`"
      it_is:enter("help(rpc.web01.nothing)", 'has no procedure "nothing"')
      it_is:enter("help(rpc.web02)", "sum_and_difference(a, b)")
    end)

    it("leaves a job that was followed, and says how to come back", function()
      it_is:enter "local job = rpc.web01.stream_infinity(1000)"
      it_is:enter("for m in job:follow{ since = 0 } do print(m.counter) end", "\n0")
      it_is:press "C-c"
      it_is:expect "\ninterrupted\njob "
      it_is:expect "goes on; rpc:job("
      it_is:clear()
      it_is:enter("job:status().state, job:cancel()", '"running"\ntrue')
      it_is:enter "job = rpc.web01.stream_infinity()"
      it_is:enter("print 'on' job:get()", "\non")
      it_is:press "C-c"
      it_is:expect "goes on; rpc:job("
      it_is:enter("job:cancel()", "true\nharp>")
    end)
  end)

  it("completes 10,000 hosts without a pause", function()
    local names = {}
    for i = 1, 10000 do names[i] = ("n%05d"):format(i) end
    local it_is = screen.open(("%s repl --local --hosts %s"):format(program, table.concat(names, ",")))
    it_is:expect("harp> ")
    it_is:type "rpc.n0999"
    complete(it_is, "n09998  n09999\nharp> rpc.n0999")
    it_is:press "C-u"
    it_is:clear()
    local function seconds_for(typed, shown)
      return harness.seconds(function()
        it_is:type(typed)
        it_is:press "Tab Tab"
        it_is:expect(shown)
        it_is:press "C-u"
        it_is:clear()
      end)
    end
    assert.is_true(harness.is_below(5, function()
      return seconds_for("rpc.n0999", "n09990  n09991") / seconds_for("harp.is_", "is_error")
    end))
    it_is:type "rpc.n"
    it_is:press "Tab Tab"
    it_is:expect "… and "
    it_is:close()
  end)

  it("does not wait long for a dispatcher that says nothing, nor for none", function()
    local silent = assert(socket.bind("127.0.0.1", 0))
    local it_is = prompt{ env = "NO_COLOR=1 HARP_CALLER=127.0.0.1:" .. select(2, silent:getsockname()) }
    it_is:type "rpc.we"
    it_is:press "Tab"
    it_is:type "b"
    it_is:expect("harp> rpc.web")
    assert.equal("harp> rpc.web", last_line(it_is))
    it_is:press "Tab C-c"
    expect_line(it_is, "harp>")
    it_is:enter("'still'", '"still"\nharp>')
    it_is:close()
    silent:close()
    it_is = prompt()
    it_is:type "rpc.we"
    it_is:press "Tab"
    it_is:type "b"
    expect_line(it_is, "harp> rpc.web")
    it_is:close()
  end)

  describe("in a script", function()
    it("has its locals, and gives back what is assigned", function()
      local file = harness.write(harness.directory() .. "/script.lua", [[
        local outer = "outer"
        local function work(a)
          local list = { a }
          local function get() return a end
          repl()
          print("after", a, get(), #list, outer)
        end
        work(1)]])
      local it_is = screen.open(("sh -c '%s %s; sleep 100'"):format(program, file), { columns = 60 })
      it_is:expect "harp> "
      it_is:enter("a, list, outer", '1\n[1]\n"outer"\nharp>')
      it_is:enter("a = 2 list[2] = 0 outer = 'new'", "harp>")
      it_is:enter("get()", "2\nharp>")
      it_is:enter("local a = 3", "harp> local a = 3\nharp>")
      it_is:press "C-d"
      it_is:expect "after   2       2       2       new"
      it_is:close()
    end)

    it("may be in a task, also when the main chunk has ended", function()
      local file = harness.write(harness.directory() .. "/script.lua", [[
        require "harp".spawn(function() local mine = 1 repl() print("after", mine) end)]])
      local it_is = screen.open(("sh -c 'trap : INT; %s %s; sleep 100'"):format(program, file))
      it_is:expect "harp> "
      it_is:enter("print 'on' while true do end", "\non")
      it_is:press "C-c"
      it_is:expect "interrupted\nharp>"
      it_is:type "x"
      it_is:expect "harp> x"
      it_is:press "C-c"
      it_is:expect "harp> x^C\nharp>"
      it_is:enter("mine = 2", "harp> mine = 2\nharp>")
      it_is:press "C-d"
      it_is:expect "after   2"
      it_is:close()
    end)
  end)

  describe("leaves the terminal as it was", function()
    local it_is
    setup(function()
      it_is = screen.open "bash --norc --noprofile"
      it_is:enter("PS1='$ '", "\n$")
    end)
    before_each(function() it_is:clear() end)
    teardown(function() it_is:close() end)

    local function ends(by)
      it_is:enter(program .. " repl", "harp> ")
      by()
      it_is:expect("\n$")
      it_is:clear()
      it_is:enter("stty -a | tr ' ' '\\n' | grep -x -e icanon -e echo | sort | xargs", "echo icanon")
      it_is:clear()
    end

    local function signal(name)
      return function()
        local pid = harness.shell("pgrep -P " .. it_is:pid()):match "%d+"
        os.execute(("kill -%s %s"):format(name, pid))
      end
    end

    it("at its end", function()
      ends(function() it_is:press "C-d" end)
      ends(function() it_is:enter ":quit" end)
      ends(function() it_is:enter "os.exit(true)" end)
      ends(function() it_is:enter "_ = harp.spawn(function() harp.sleep(0.1) os.exit(0) end)" end)
    end)

    it("when a signal ends it, also a crash", function()
      ends(signal "TERM")
      ends(signal "SEGV")
      ends(function() it_is:press "C-\\\\" end)
    end)

    it("while it is stopped", function()
      it_is:enter(program .. " repl", "harp> ")
      it_is:type "half a line"
      it_is:expect "harp> half a line"          -- a terminal drops what was not read when it signals
      it_is:press "C-z"
      it_is:expect "Stopped"
      it_is:enter("stty -a | tr ' ' '\\n' | grep -x -e icanon -e echo | sort | xargs", "echo icanon")
      it_is:clear()
      it_is:enter("fg", "harp> half a line")
      it_is:press "C-u C-d"
    end)
  end)

  it("is what `harp` alone is on a terminal; elsewhere that is a script", function()
    local it_is = screen.open(program)
    it_is:expect "harp> "
    it_is:close()
    assert.equal("42\n", (harness.harp("", "print(41 + 1)")))
    local output, errors, status = harness.harp("repl", "x = 41\nx + 1\nfor i = 1, 2 do\nprint(i)\nend\n:json {}\n")
    assert.equal("42\n1\n2\n{}\n", output)
    assert.equal("", errors)
    assert.equal(0, status)
    output, errors, status = harness.harp "repl script.lua"
    assert.equal("", output)
    assert.truthy(errors:find "it takes no script: script.lua; see harp repl %-%-help")
    assert.equal(2, status)
  end)

  it("is missing clearly where libedit is", function()
    local directory = harness.directory()
    harness.write(directory .. "/libedit.so.2", "broken")
    local it_is = screen.open(("sh -c '%s repl; sleep 100'"):format(program), { env = "LD_LIBRARY_PATH=" .. directory })
    it_is:expect "libedit.so.2: file too short"
    it_is:close()
  end)

  -- What code prints to a window of 60 columns, and on standard error.
  local function narrow(code)
    return harness.shell(("COLUMNS=60 %s -e %s 2>&1"):format(program, harness.quote("require 'harp' " .. code)))
  end

  it("wraps help where the window ends", function()
    local text = narrow "print(require 'harp.repl.help'.text 'harp.exec')"
    assert.truthy(text:find "Leaving the loop ends the\n? *command")
    for line in text:gmatch "[^\n]+" do assert.truthy(utf8.len(line) <= 60, line) end
  end)

  it("lists what it completes to by columns, of which some characters take two", function()
    assert.equal(("日"):rep(39) .. "…\n",
      narrow "print(require 'harp.repl.complete'.list{ { name = 'x', shown = ('日'):rep(60) } })")
  end)

  it("shows the traceback of a procedure to be read", function()
    local function shown(data)
      return narrow(("print(require 'harp.repl.show'.failure(require 'harp.core'.error{ type = 'LuaError', "
        .. "message = 'no', data = %s }))"):format(data))
    end
    assert.equal("LuaError: no\nstack traceback:\n\tx.lua:1: \\x1b\n",
      shown [[{ traceback = "stack traceback:\n\tx.lua:1: \27" }]])
    assert.equal('LuaError: no\ndata: { n = 1, traceback = "x" }\n', shown "{ n = 1, traceback = 'x' }")
  end)

  it("has help on every public function", function()
    local output, errors = harness.harp("-e " .. harness.quote [[
      local harp = require "harp"
      local reference = require "harp.repl.reference"
      local function check(prefix, t)
        for name in pairs(t) do
          if not name:find "^_" and not reference[prefix .. name] then print(prefix .. name) end
        end
      end
      check("harp.", harp)
      check("rpc:", getmetatable(harp.caller()).methods)
      local functions = {}
      for name, v in pairs(getmetatable(harp.caller():job "x").__index) do
        if type(v) == "function" then functions[name] = v end
      end
      check("job:", functions)
      check("task:", getmetatable(harp.spawn(print, "task")).__index)
      check("exec:", getmetatable(harp.exec{ "true" }).__index)
      check("stream:", getmetatable(harp.caller():job "x":follow()).__index)]])
    assert.equal("task\n", output)
    assert.equal("", errors)
  end)
end)
