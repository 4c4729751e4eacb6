-- What people see of a batch, by events that are made up: on a real terminal,
-- and as lines; and the texts of summaries.

local harness = require "spec.support.harness"
local harp = require "harp"
local screen = require "spec.support.screen"

local eventually = harness.eventually

describe("of a batch", function()
  local directory

  setup(function() directory = harness.directory() end)

  teardown(function()
    screen.close_all()
    harness.clean_up()
  end)

  -- What each script begins with: begin(count, waves) and tell(event) play a
  -- run; go_on() waits for the spec.
  local PRELUDE = [[
    local harp = require "harp"
    local core = require "harp.core"
    local record = require "harp.batch.record"()
    local how = os.getenv "SHOW"
    local observer = require "harp.batch.show".choose{ show = how, out = os.getenv "TO" == "1" and io.stdout or nil }
    local directory = %q
    local function tell(event)
      event.time = event.time or core.time()
      record:apply(event)
      observer:event(event, record)
    end
    local names = {}
    local function begin(count, waves)
      for i = 1, count do names[i] = ("web%%02d"):format(i) end
      tell{ event = "run", run = "try-abcdef", hosts = harp.array(names), waves = harp.array(waves or { count }) }
    end
    local function run(i)
      tell{ event = "start", host = names[i], attempt = 1 }
    end
    local function done(i, value)
      run(i)
      tell{ event = "end", host = names[i], outcome = "ok", value = value, attempts = 1 }
    end
    local function is_there(name)
      local file = io.open(directory .. "/" .. name)
      return file and file:close()
    end
    local function go_on(name)
      while not is_there(name or "go") do harp.sleep(0.02) end
    end
  ]]

  local function script(text)
    os.remove(directory .. "/go")
    os.remove(directory .. "/more")
    return harness.write(directory .. "/play.lua", PRELUDE:format(directory) .. text)
  end

  local function go(name) harness.write(directory .. "/" .. (name or "go"), "") end

  -- A script at a terminal, whose shell says what it ended with.
  local function play(text, options)
    options = options or {}
    options.env = "LC_ALL=C.UTF-8 " .. (options.env or "NO_COLOR=1")
    options.rows = options.rows or 20
    local command = ("%s %s %s; echo ended $?; sleep 100"):format(
      harness.program, script(text), options.redirection or "")
    return screen.open("sh -c " .. harness.quote(command), options)
  end

  local function lines_of(it)
    local lines = {}
    for line in (it:text() .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line end
    return lines
  end

  local function bar_of(it)
    local lines = lines_of(it)
    return lines[#lines]
  end

  -- Waits until the last line has all these texts.
  local function expect_bar(it, ...)
    for _, text in ipairs{ ... } do harness.sees(function() return bar_of(it) end, text, "in the last line") end
    return bar_of(it)
  end

  -- How many lines there are that look like it.
  local function count_bars(it)
    local count = 0
    for _, line in ipairs(lines_of(it)) do
      if line:find "%d running" then count = count + 1 end
    end
    return count
  end

  describe("a terminal shows", function()
    it("what hosts say above how far it is", function()
      local it_is = play [[
        begin(10, { 1, 9 })
        tell{ event = "wave", wave = 1 }
        done(1, "hello")
        tell{ event = "wave_end", wave = 1 }
        tell{ event = "wave", wave = 2 }
        run(2)
        tell{ event = "packet", host = "web02", job = "j", number = 0, data = { line = 1 } }
        tell{ event = "end", host = "web02", outcome = "ok", value = { "a", "b" }, attempts = 1 }
        run(3)
        tell{ event = "retry", host = "web03", attempt = 1, outcome = "timeout", message = "too slow", pause = 2 }
        run(3)
        tell{ event = "end", host = "web03", outcome = "exception", type = "paper", message = "out of\n\27[2Jpaper",
          attempts = 2, job = "j3" }
        done(4)
        run(5)
        run(6)
        tell{ event = "stop", reason = "1 host failed" }
        go_on()
        tell{ event = "finish" }
        observer:close()
        print "after it"
      ]]
      expect_bar(it_is, "wave 2/2 █", "40%  3 done, 1 failed, 2 running, 4 left", "stopping")
      assert.same({
        "run try-abcdef", "wave 1 of 2, 1 host", "web01: hello", "wave 2 of 2, 9 hosts", 'web02: {"line": 1}',
        'web02: => ["a", "b"]',
        "web03: timeout: too slow; again in 2.0s", "web03: exception: paper: out of \\x1b[2Jpaper [job j3]",
        "web04: ok", "no more hosts are begun: 1 host failed",
      }, table.move(lines_of(it_is), 1, 10, 1, {}))
      go()
      it_is:expect "ended 0"
      assert.same({ "no more hosts are begun: 1 host failed", "after it", "ended 0" },
        table.move(lines_of(it_is), 10, 20, 1, {}))
      it_is:close()
    end)

    it("long values cut", function()
      local it_is = play([[
        begin(3)
        tell{ event = "wave", wave = 1 }
        done(1, ("x"):rep(100000))
        done(2, ("line\n"):rep(50))
        local list = harp.array{}
        for i = 1, 20000 do list[i] = i end
        done(3, list)
        observer:close()
      ]], { rows = 60 })
      local text = it_is:expect "ended 0"
      assert.truthy(text:gsub("\n", ""):find("x… (100 kB)", 1, true))
      assert.equal(10, select(2, text:gsub("web02: line\n", "")))
      assert.truthy(text:find("web02: … 40 more lines", 1, true))
      assert.truthy(text:find("web03: [1,2,3,", 1, true))
      assert.is_true(#lines_of(it_is) < 30)
      it_is:close()
    end)

    it("it in as many columns as there are, and anew when there are others", function()
      local it_is = play([[
        begin(100, { 50, 50 })
        tell{ event = "wave", wave = 1 }
        for i = 1, 30 do done(i, i) end
        run(31)
        go_on()
        observer:close()
      ]], { columns = 120 })
      expect_bar(it_is, "wave 1/2 █", "30%  30 done, 0 failed, 1 running, 69 left")
      for _, columns in ipairs{ 60, 40, 25, 10, 120 } do
        it_is:resize(columns, 20)
        eventually(function()
          local width = utf8.len(bar_of(it_is))
          return width < columns and bar_of(it_is):find("30%", 1, true) and (columns < 50 or width > columns / 2)
            and count_bars(it_is) <= 1
        end)
      end
      expect_bar(it_is, "wave 1/2 █", "30%  30 done, 0 failed, 1 running, 69 left")
      go()
      it_is:expect "ended 0"
      assert.equal(0, count_bars(it_is))
      it_is:close()
    end)

    it("only ASCII where the locale has no more, colours unless they are refused", function()
      local text = [[
        begin(4)
        tell{ event = "wave", wave = 1 }
        done(1)
        run(2)
        tell{ event = "end", host = "web02", outcome = "timeout", message = "too slow", attempts = 1 }
        run(3)
        go_on()
        observer:close()
      ]]
      local it_is = play(text, { columns = 150, env = "NO_COLOR=1 LC_ALL=C" })
      expect_bar(it_is, "##########xxxxxxxxxx----------.......... 50%")
      assert.falsy(it_is:coloured_text():find "\27%[3%dm")
      it_is:close()
      it_is = play(text, { env = "X=1" })
      it_is:expect "1 running"
      local coloured = it_is:coloured_text()
      assert.truthy(coloured:find("\27[31mtimeout: too slow", 1, true))
      assert.truthy(coloured:find "\27%[%d%dmweb01:")
      it_is:close()
    end)

    it("all that is written meanwhile, whole", function()
      local it_is = play [[
        begin(5)
        tell{ event = "wave", wave = 1 }
        run(1)
        print "by print"
        io.write "begun "
        harp.sleep(0.3)
        done(2, "between")
        io.write "and ended\n"
        io.stderr:write "to standard error\n"
        harp.log "by harp.log"
        os.execute "echo by a child; echo and its errors >&2"
        harp.exec{ "sh", "-c", "echo by exec >&2", stderr = "log" }:result()
        for i = 1, 3 do
          os.execute("sleep 0.1; echo slowly " .. i)
          harp.sleep(0.1)
        end
        harp.sleep(0.2)
        go_on()
        io.write "no end"
        observer:close()
        print ", after all"
      ]]
      it_is:expect "slowly 3"
      expect_bar(it_is, "20%  1 done, 0 failed, 1 running, 3 left")
      local text = it_is:text()
      assert.equal(1, count_bars(it_is))
      for _, line in ipairs{ "by print\nweb02: between\nbegun and ended\n", "to standard error\n", "by harp.log\n",
        "by a child\nand its errors\n", "by exec\n", "slowly 1\nslowly 2\nslowly 3\n" } do
        assert.truthy(text:find(line, 1, true), line .. "\n" .. text)
      end
      go()
      it_is:expect "no end, after all\nended 0"
      it_is:close()
    end)

    it("nothing between two waves, where questions can be asked", function()
      local it_is = play [[
        begin(2, { 1, 1 })
        tell{ event = "wave", wave = 1 }
        done(1)
        io.write "go on? "
        local answer = io.read()
        print("the answer is " .. answer)
        tell{ event = "wave_end", wave = 1 }
        tell{ event = "wave", wave = 2 }
        run(2)
        go_on()
        observer:close()
      ]]
      it_is:expect "go on?"
      assert.equal(0, count_bars(it_is))
      it_is:enter("yes", "the answer is yes")
      expect_bar(it_is, "wave 2/2")
      it_is:close()
    end)

    it("lines without a bar where it is dumb", function()
      local it_is = play([[
        begin(1)
        tell{ event = "wave", wave = 1 }
        done(1, "x")
        observer:close()
      ]], { env = "TERM=dumb" })
      local text = it_is:expect "ended 0"
      assert.truthy(text:find "^%d+%-%d%d%-%d%d [%d:]+ run try%-abcdef: 1 host\n[%d: -]+web01: ok in ", text)
      it_is:close()
    end)

    it("how far it is also when standard output is elsewhere", function()
      local it_is = play([[
        begin(2)
        tell{ event = "wave", wave = 1 }
        done(1, "said")
        print "for the file"
        run(2)
        go_on()
        observer:close()
      ]], { env = "NO_COLOR=1 TO=1", redirection = "> " .. directory .. "/out" })
      expect_bar(it_is, "50%")
      assert.falsy(it_is:text():find "said")
      go()
      it_is:expect "ended 0"
      assert.equal("run try-abcdef\nweb01: said\nfor the file\n", harness.read(directory .. "/out"))
      assert.equal("ended 0", it_is:text())
      it_is:close()
    end)
  end)

  describe("the terminal is left as it was", function()
    local RUNS = [[
      begin(2)
      tell{ event = "wave", wave = 1 }
      run(1)
      harness_pid = io.open("/proc/self/stat"):read "n"
      io.open(directory .. "/pid", "w"):write(harness_pid):close()
    ]]

    local function pid() return harness.read(directory .. "/pid") end

    -- What is on the screen when it has ended, with a shell's word about it.
    local function ends(text, how)
      local it_is = play(RUNS .. text)
      expect_bar(it_is, "1 running")
      how(it_is)
      local shown = it_is:expect "ended "
      assert.equal(0, count_bars(it_is), shown)
      it_is:close()
      return shown
    end

    it("by SIGTERM, with what was written last", function()
      local shown = ends([[
        go_on()
        io.write "last words"
        io.stdout:flush()
        io.open(directory .. "/said", "w"):close()
        while true do os.execute "sleep 0.1" end
      ]], function()
        os.remove(directory .. "/said")
        go()
        eventually(function() return io.open(directory .. "/said") end)
        os.execute("kill -TERM " .. pid())
      end)
      assert.truthy(shown:find "^run try%-abcdef\nlast words[^\n]*\n?[^\n]*ended 143$", shown)
    end)

    it("by os.exit, and by an error", function()
      local function now() go() end
      assert.equal("run try-abcdef\nbye\nended 7", ends([[ go_on() print "bye" os.exit(7) ]], now))
      assert.equal("run try-abcdef\nbye\nended 7", ends([[ go_on() print "bye" os.exit(7, false) ]], now))
      local shown = ends([[ go_on() print "bye" observer:close() error "oh" ]], now)
      assert.truthy(shown:find "^run try%-abcdef\nbye\nharp: [^\n]*oh\n")
      assert.truthy(shown:find "ended 1$")
      shown = ends([[ go_on() error "oh" ]], now)
      assert.truthy(shown:find "^run try%-abcdef\nharp: [^\n]*oh\n", shown)
    end)

    it("while it is stopped, and drawn again when it goes on", function()
      local it_is = screen.open("bash --norc -i", { env = "NO_COLOR=1 LC_ALL=C.UTF-8 PS1='$ '", rows = 20 })
      it_is:expect "$"
      it_is:enter(harness.program .. " " .. script [[
        begin(2)
        tell{ event = "wave", wave = 1 }
        run(1)
        go_on()
        done(2, "later")
        go_on "more"
        observer:close()
      ]])
      expect_bar(it_is, "1 running")
      it_is:press "C-z"
      it_is:expect "Stopped"
      eventually(function() return count_bars(it_is) == 0 end)
      it_is:enter("echo free", "\nfree\n")
      it_is:enter("fg")
      expect_bar(it_is, "1 running")
      assert.equal(1, count_bars(it_is))
      go()
      it_is:expect "web02: later"
      go "more"
      eventually(function() return bar_of(it_is) == "$" end)
      it_is:enter("echo over", "\nover\n")
      assert.equal(0, count_bars(it_is))
      it_is:close()
    end)
  end)

  describe("elsewhere there are lines", function()
    local EVENTS = [[
      begin(3, { 1, 2 })
      tell{ event = "wave", wave = 1 }
      done(1, { b = 1, a = { harp.null, 1.0 } })
      tell{ event = "wave_end", wave = 1 }
      tell{ event = "wave", wave = 2 }
      run(2)
      tell{ event = "packet", host = "web02", job = "j", number = 0, data = "a\nb" }
      tell{ event = "retry", host = "web02", attempt = 1, outcome = "error", type = "x", message = "odd", pause = 1.5 }
      run(2)
      tell{ event = "end", host = "web02", outcome = "cancelled", message = "the job was cancelled", job = "j",
        attempts = 2 }
      tell{ event = "stop", reason = "enough" }
      tell{ event = "finish" }
      observer:close()
    ]]

    local function output(text, variables, redirection)
      local file = script(text)
      local out, status = harness.shell(("%s %s %s %s"):format(
        variables, harness.program, file, redirection or ""))
      return out, status
    end

    it("of text, each with its time", function()
      local text = output(EVENTS, "TO=1")
      local lines = {}
      for line in text:gmatch "[^\n]+" do
        lines[#lines + 1] = assert(line:match "^%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d (.*)$", line)
          :gsub("%d+%.%ds", "TIMEs"):gsub("in %d+s", "in TIMEs")
      end
      assert.same({
        "run try-abcdef: 3 hosts in 2 waves", "wave 1 of 2, 1 host", 'web01: ok in TIMEs: {"a": [null, 1.0], "b": 1}',
        "wave 2 of 2, 2 hosts", "web02 | a b", "web02: attempt 1: error: x: odd; again in TIMEs",
        "web02: cancelled: the job was cancelled [job j]; after TIMEs, attempt 2", "no more hosts are begun: enough",
      }, lines)
    end)

    it("of text that nothing in it turns around, nor is anything in the summary", function()
      local text = [[
        begin(1)
        run(1)
        local turned = "a\u{202e}b\u{2066}c\u{200f}d\u{61c}e\u{2013}f"
        tell{ event = "packet", host = "web01", job = "j", number = 0, data = turned }
        done(1, turned)
        print(table.concat(require "harp.batch.summary".lines(record, 80), "\n"))
      ]]
      local shown = [[a\u{202e}b\u{2066}c\u{200f}d\u{61c}e–f]]
      local found = output(text, "TO=1")
      assert.truthy(found:find("web01 | " .. shown .. "\n", 1, true), found)
      assert.truthy(found:find(": " .. shown .. "\n", 1, true), found)
      assert.truthy(found:find("\n    " .. shown .. "\n", 1, true), found)
    end)

    it("of JSON, of every event, names in the same order", function()
      local text = output(EVENTS, "SHOW=jsonl")
      local kinds = {}
      for line in text:gmatch "[^\n]+" do
        local event = harp.decode(line)
        kinds[#kinds + 1] = event.event
        assert.truthy(line:find '^{"time":[%d.]+,"event":"')
      end
      assert.same({
        "run", "wave", "start", "end", "wave_end", "wave", "start", "packet", "retry", "start", "end", "stop",
        "finish",
      }, kinds)
      assert.truthy(text:find(
        '"event":"end","host":"web01","outcome":"ok","value":{"a":[null,1.0],"b":1},"attempts":1}\n', 1, true), text)
      assert.truthy(text:find('"event":"packet","host":"web02","job":"j","number":0,"data":"a\\nb"}\n', 1, true))
    end)

    it("and none, where none are wanted", function()
      assert.equal("", (output(EVENTS, "SHOW=none", "2>&1")))
      assert.equal("", (output(EVENTS, "SHOW=summary", "2>&1")))
    end)

    it("until nobody reads them, or the disk is full: the batch goes on, and it is said", function()
      local errors = directory .. "/errors"
      local text = [[
        begin(50)
        tell{ event = "wave", wave = 1 }
        for i = 1, 50 do done(i, ("x"):rep(2000)) harp.sleep(0.005) end
        observer:close()
        io.stderr:write "went on\n"
      ]]
      assert.truthy(output(text, "TO=1", "2>" .. errors .. " | head -n 1"):find "run try%-abcdef")
      assert.truthy(harness.read(errors):find(
        "harp: not all that the batch did could be shown: nobody reads it any more\nwent on\n", 1, true))
      output(text, "SHOW=jsonl", "2>" .. errors .. " >/dev/full")
      assert.truthy(harness.read(errors):find(
        "harp: not all that the batch did could be shown: No space left on device\nwent on\n", 1, true))
    end)
  end)

  describe("the summary", function()
    local NEW = [[
      local new_record = require "harp.batch.record"
      local record, now, names = new_record(), 1000, {}
      local function tell(event)
        event.time = event.time or now
        record:apply(event)
      end
      local function begin(count, waves)
        for i = 1, count do names[i] = ("web%03d"):format(i) end
        tell{ event = "run", run = "try-abcdef", hosts = names, waves = waves or { count } }
        tell{ event = "wave", wave = 1 }
      end
      local function ends(i, outcome, fields)
        tell{ event = "start", host = names[i], attempt = 1, time = now }
        fields = fields or {}
        fields.event, fields.host, fields.outcome, fields.time = "end", names[i], outcome, now + (fields.took or 0.5)
        tell(fields)
      end
      local function summary(columns)
        local lines = require "harp.batch.summary".lines(record, columns)
        io.write(table.concat(lines, "\n"), "\n")
      end
    ]]

    local function summary(text)
      local file = harness.write(directory .. "/summary.lua", 'local harp = require "harp"\n' .. NEW .. text)
      local out, errors, status = harness.harp(file)
      assert.equal(0, status, errors)
      return out
    end

    it("counts, and groups those that said the same", function()
      assert.equal([[
try-abcdef: 200 ok of 200 hosts in 42s
198 hosts: the same  web[001-100,103-200]
    {"a": 1, "b": [2]}
2 differ:
2 hosts: the same  web[101-102]
    first
    second
    done
]], summary [[
        begin(200)
        for i = 1, 200 do
          if i == 101 or i == 102 then
            ends(i, "ok", { value = "done", packets = harp.array{ "first", "second" }, count = 2 })
          else
            ends(i, "ok", { value = { b = { 2 }, a = 1 } })
          end
        end
        tell{ event = "finish", time = now + 42 }
        summary(80)
      ]])
    end)

    it("has the first lines of a text, however long it is", function()
      local text = summary [[
        begin(3)
        local lines = {}
        for i = 1, 900 do lines[i] = ("line %d\t\27 of many"):format(i) end
        ends(1, "ok", { value = table.concat(lines, "\n") .. "\n" })
        ends(2, "ok", { value = table.concat(lines, "\n", 1, 9) })
        ends(3, "ok", { value = ("ä"):rep(5000) .. "\n" .. ("x"):rep(5000) })
        tell{ event = "finish", time = now + 1 }
        summary(80)
      ]]
      local function line(i) return ("    line %d\t\\x1b of many\n"):format(i) end
      local first = line(1) .. line(2) .. line(3) .. line(4) .. line(5) .. line(6) .. line(7) .. line(8)
      assert.truthy(text:find("1 host  web001\n" .. first .. "    … 892 more lines\n1 host", 1, true), text)
      assert.truthy(text:find("1 host  web002\n" .. first .. line(9) .. "1 host", 1, true), text)
      assert.truthy(text:find("web003\n    " .. ("ä"):rep(399) .. "…\n    " .. ("x"):rep(399) .. "…\n", 1, true), text)
    end)

    it("says nothing of hosts that said nothing", function()
      assert.equal("try-abcdef: 2 ok of 2 hosts in 1.0s\n", summary [[
        begin(2)
        ends(1, "ok")
        ends(2, "ok", { value = harp.null })
        tell{ event = "finish", time = now + 1 }
        summary(80)
      ]])
    end)

    it("names the slowest, where some are slow", function()
      assert.equal([[
try-abcdef: 10 ok of 10 hosts in 1m12s
slowest: web007 1m10s, web003 8.0s, web001 0.5s; half of them took 0.5s or less
]], summary [[
        begin(10)
        for i = 1, 10 do ends(i, "ok", { took = i == 7 and 70 or i == 3 and 8 or nil }) end
        tell{ event = "finish", time = now + 72 }
        summary(80)
      ]])
    end)

    it("groups failures by their message, and says what to do next", function()
      assert.equal([[
try-abcdef: 1 ok, 2 not reached, 2 exception, 3 unreachable, 2 unknown of 10 hosts in 10s, 1 of 2 waves
stopped: 7 of 8 hosts of wave 1 failed, and max_fail is 5%
1 host  web001
    fine
2 hosts  exception: paper: out of paper
    web[002-003]
3 hosts  unreachable: nxdomain: HOST.example: no such name
    web[004-006]
2 hosts  unknown: closed: the connection was lost
    web[007-008]
  harp run --resume try-abcdef              goes on all the same, with those that are left
  harp job status j7 j8                     what became of the unknown ones
  --limit @try-abcdef:failed                takes those that failed, in another run
]], summary [[
        begin(10, { 8, 2 })
        ends(1, "ok", { value = "fine" })
        for i = 2, 3 do ends(i, "exception", { type = "paper", message = "out of paper" }) end
        for i = 4, 6 do
          ends(i, "unreachable", { type = "nxdomain", message = names[i] .. ".example: no such name" })
        end
        for i = 7, 8 do
          ends(i, "unknown", { type = "closed", message = "the connection was lost", job = "j" .. i })
        end
        tell{ event = "stop", reason = "7 of 8 hosts of wave 1 failed, and max_fail is 5%" }
        tell{ event = "finish", time = now + 10 }
        summary(80)
      ]])
    end)

    it("is bounded, and says how to see all", function()
      local text = summary [[
        begin(300)
        for i = 1, 200 do ends(i, "ok", { value = i }) end
        for i = 201, 300 do ends(i, "error", { message = "number " .. i }) end
        tell{ event = "finish", time = now + 1 }
        summary(80)
      ]]
      assert.truthy(text:find("\n200 hosts, and all differ:\n1 host  web001\n    1\n", 1, true), text)
      assert.truthy(text:find("\n… and 195 hosts with other outputs\n", 1, true))
      assert.truthy(text:find("\n… and 90 hosts with other failures\n", 1, true))
      assert.truthy(text:find("harp attach --all --json try-abcdef", 1, true))
      assert.is_true(select(2, text:gsub("\n", "")) < 50)
    end)

    it("of a run that was left tells what still runs", function()
      local text = summary [[
        begin(5)
        ends(1, "ok", { value = "fine" })
        tell{ event = "start", host = "web002", attempt = 1, time = now + 3 }
        summary(80)
      ]]
      assert.truthy(text:find("try-abcdef: 1 ok, 1 running, 3 not begun of 5 hosts in 3.0s\n", 1, true), text)
      assert.truthy(text:find("harp attach try-abcdef", 1, true))
      assert.truthy(text:find("harp run --resume try-abcdef", 1, true))
    end)
  end)
end)
