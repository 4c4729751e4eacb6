-- Help, manual pages and completion: made of what the commands say of themselves.

local harness = require "spec.support.harness"
local harp_ = harness.harp
local quote = harness.quote

local function lines(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do list[#list + 1] = line end
  return list
end

local function is_installed(program) return select(2, harness.shell("command -v " .. program)) == 0 end

-- What completion offers behind `harp `, without what it means.
local function complete(words)
  local list = {}
  for _, line in ipairs(lines((harp_("complete -- " .. words)))) do list[#list + 1] = line:match "^[^\t]*" end
  return list
end

local commands = complete "help ''"

local function widest(text)
  local most = 0
  for _, line in ipairs(lines(text)) do most = math.max(most, utf8.len(line)) end
  return most
end

teardown(harness.clean_up)

describe("harp help", function()
  it("has every command with its purpose, in 80 columns, and says what to try first", function()
    local output, errors, status = harp_ "help"
    assert.same({ "", 0 }, { errors, status })
    assert.truthy(widest(output) <= 80, output)
    assert.truthy(output:find "Try first:\n  harp ")
    assert.truthy(#commands >= 10)
    for _, name in ipairs(commands) do assert.truthy(output:find("\n  " .. name .. " +%S+")) end
    assert.falsy(output:find "Others:")
    assert.equal(output, (harp_ "--help"))
  end)

  it("tells nobody of hidden commands", function()
    local output = harp_ "help"
    for _, name in ipairs{ "complete", "unknown" } do assert.falsy(output:find("\n  " .. name .. " ")) end
  end)

  it("says all about each, in as many columns as there are", function()
    for _, name in ipairs(commands) do
      local output, errors, status = harp_("help " .. name)
      assert.same({ "", 0 }, { errors, status })
      assert.truthy(output:find("^Usage: harp"), name)
      assert.truthy(widest(output) <= 80, output)
      assert.truthy(output:find "\nExit status")
    end
    local texts = {}
    for i, columns in ipairs{ 60, 100 } do
      texts[i] = harness.shell(("COLUMNS=%d %s help run"):format(columns, harness.program))
      assert.truthy(widest(texts[i]) <= columns)
    end
    assert.truthy(#lines(texts[1]) > #lines(texts[2]))
    assert.equal((harp_ "help run"), (harp_ "run --help"))
  end)

  -- The examples are run by a shell that finds no program but a harp which
  -- looks at its words only, and says so.
  it("has examples for each, which their own parsers take", function()
    local directory = harness.directory()
    local check = harness.write(directory .. "/check.lua", [[
      require "harp"
      local main = require "harp.cli.main"
      local words = table.move(arg, 1, #arg, 1, {})
      local well = words[1] == nil or pcall(require, "harp.cli." .. words[1])
      local name = well and table.remove(words, 1) or "run"
      local _, problem = main.parser(name):pparse(words)
      io.stderr:write(name, ": ", type(problem) == "string" and problem or "well", "\n")]])
    harness.write(directory .. "/harp", ("#!/bin/sh\nexec %s %s \"$@\"\n"):format(harness.program, check))
    harness.shell("chmod +x " .. directory .. "/harp")
    local list = harp_("-", ([[
      require "harp"
      for name in (%q):gmatch "%%S+" do
        for _, example in ipairs(require("harp.cli." .. name).examples or { { "" } }) do print(example[1]) end
      end]]):format(table.concat(commands, " ")))
    assert.truthy(#lines(list) >= #commands)
    for _, example in ipairs(lines(list)) do
      local output = harness.shell(("cd %s && PATH=%s /bin/bash -c %s </dev/null 2>&1"):format(
        directory, directory, quote(example)))
      assert.truthy(output:find ": well\n", example)
      for _, line in ipairs(lines(output)) do
        assert.truthy(line:find ": well$" or line:find "command not found$", example .. "\n" .. output)
      end
    end
  end)

  it("says what was meant, of an unknown command", function()
    local _, errors, status = harp_ "help versoin"
    assert.same({ 'harp help: there is no command "versoin"; did you mean "version"?; `harp help` lists them\n', 2 },
      { errors, status })
  end)
end)

describe("a word that is no command", function()
  it("is told so, with the one that was meant", function()
    for word, meant in pairs{ cal = "call", jbos = "jobs", deamon = "daemon", dispacther = "dispatcher" } do
      local output, errors, status = harp_(word .. " x --y")
      assert.same({ "", 2 }, { output, status })
      assert.equal(("harp: there is no command or script %q; did you mean %q?\n"):format(word, meant), errors)
    end
    local _, errors = harp_ "frobnicate"
    assert.equal('harp: there is no command or script "frobnicate"; `harp help` lists the commands\n', errors)
  end)

  it("is a script where there is a file of that name", function()
    local directory = harness.directory()
    harness.write(directory .. "/cal", "print('a script', ...)")
    local output, status = harness.shell(("cd %s && %s cal 1"):format(directory, harness.program))
    assert.same({ "a script\t1\n", 0 }, { output, status })
  end)
end)

describe("harp version", function()
  it("tells those of its libraries, a line each", function()
    local output, errors, status = harp_ "version"
    assert.same({ "", 0 }, { errors, status })
    assert.truthy(output:find "^harp %d+%.%d+%.%d+\n")
    for _, library in ipairs{ "Lua", "libuv", "libcurl", "OpenSSL", "SQLite", "yajl" } do
      assert.truthy(output:find("\n" .. library .. " %d+%.%d+%.%d+[%w]*\n"), output)
    end
    assert.truthy(output:find "\nlibedit %d" or output:find "\nlibedit is not installed\n")
    assert.equal(output, (harp_ "--version"))
  end)

  it("is an object with --json", function()
    local output = harp_ "version --json"
    assert.equal(1, #lines(output))
    assert.truthy(output:find '^{"harp":"[^"]*","Lua":"[^"]*","libuv":"')
    local as_text = harness.harp("-", ("local v = require 'harp'.decode(%q) print('harp ' .. v.harp) "
      .. "print('Lua ' .. v.Lua) print('libuv ' .. v.libuv)"):format(output))
    assert.equal(as_text, table.concat(lines((harp_ "version")), "\n", 1, 3) .. "\n")
  end)

  it("says so where a library is missing", function()
    local directory = harness.directory()
    harness.write(directory .. "/libcurl.so.4", "broken")
    local output, status = harness.shell(("LD_LIBRARY_PATH=%s %s version"):format(directory, harness.program))
    assert.equal(0, status)
    assert.truthy(output:find "\nlibcurl is not installed\n")
  end)
end)

describe("manual pages", function()
  -- Of harp and of all commands, in files.
  local directory, pages = harness.directory(), {}

  setup(function()
    for i, name in ipairs{ "", table.unpack(commands) } do
      local output, errors, status = harp_("help --man " .. name)
      assert.same({ "", 0 }, { errors, status })
      pages[i] = harness.write(("%s/%d.1"):format(directory, i), output)
    end
  end)

  it("have their sections", function()
    for _, page in ipairs(pages) do
      local text = harness.read(page)
      for _, title in ipairs{ "NAME", "SYNOPSIS", "EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO" } do
        assert.truthy(text:find("\n.SH " .. title .. "\n", 1, true), title)
      end
      assert.falsy(text:find "[\128-\255]")
    end
  end)

  it("are well made, as mandoc and groff see them", function()
    local tried = 0
    for program, command in pairs{ mandoc = "mandoc -T lint -W warning %s", groff = "groff -ww -z -man -Tutf8 %s" } do
      if is_installed(program) then
        assert.same({ "", 0 }, { harness.shell(command:format(table.concat(pages, " ")) .. " 2>&1") })
        tried = tried + 1
      end
    end
    if tried == 0 then pending "neither mandoc nor groff is here" end
  end)

  it("are the same when they are made at the same time", function()
    local command = ("SOURCE_DATE_EPOCH=0 %s help --man run"):format(harness.program)
    assert.truthy((harness.shell(command)):find '^%.TH HARP%-RUN 1 1970%-01%-01 "harp %d')
  end)
end)

describe("completion", function()
  local daemon, dispatcher, script
  local job

  setup(function()
    daemon = harness.daemon()
    dispatcher = harness.dispatcher{ daemon = daemon }
    script = harness.write(harness.directory() .. "/harp.bash", (harp_ "completion bash"))
    job = harp_(("-e 'print(require \"harp\".caller(%q).web01.sum(1, 2):id())'"):format(dispatcher.address)):match "%S+"
  end)

  -- What bash has for COMP_WORDS, the last of which is not complete, at the
  -- spec's dispatcher or another.
  local function bash(words, address)
    local output, status = harness.shell(([[
      HARP_CALLER=%s PATH=%s:$PATH bash -c %s]]):format(address or dispatcher.address,
      harness.program:match "^(.*)/", quote(([[
        . %s; COMP_WORDS=(harp %s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _harp; printf '%%s\n' "${COMPREPLY[@]}"]])
        :format(script, words))))
    assert.equal(0, status, output)
    return lines(output)
  end

  -- What needs the answers of servers, which are not waited for longer than a second,
  -- is offered in one of some tries.
  local function offers(expected, words, address)
    local list
    pcall(harness.eventually, function()
      list = bash(words, address)
      return table.concat(list, " ") == table.concat(expected, " ")
    end)
    assert.same(expected, list)
  end

  it("of bash has commands, options, values and files", function()
    assert.same({ "version" }, bash "vers")
    assert.same({ "--config" }, bash "daemon --c")
    assert.same({ "bash", "zsh" }, bash "completion ''")
    assert.same({ "--json" }, bash "jobs --js")
    assert.same({ "queued", "running", "ended" }, bash "jobs --state ''")
    assert.same({ "/etc/passwd", "/etc/passwd-" }, (function(list)
      table.sort(list)
      return list
    end)(bash "run /etc/passwd"))
    assert.same({ "daemon" }, bash "help da")
    assert.same({}, bash "completion bash ''")
  end)

  it("of bash has what servers know: hosts, procedures, their arguments, jobs", function()
    offers({ "localhost", "nowhere", "refused", "web01", "web02" }, "call ''")
    offers({ "web01", "web02" }, "call --json w")
    offers({ "web01,web01", "web01,web02" }, "call web01,w")
    offers({ "web01", "web02" }, "jobs --host w")
    offers({ "web01", "web02" }, "jobs --host = w")
    offers({ "sum" }, "call web01 su")
    offers({ "a=", "b=" }, "call web01,web02 sum ''")
    offers({ job }, "job result ''")
    offers({ job }, "job follow " .. job:sub(1, 3))
  end)

  it("asks the dispatcher that the line names", function()
    offers({ "web01", "web02" }, ("call --caller %s w"):format(dispatcher.address), "127.0.0.1:1")
  end)

  it("has the callers of the configuration, where that is well", function()
    local home = harness.directory()
    local function callers(text)
      harness.shell("mkdir -p " .. home .. "/harp")
      harness.write(home .. "/harp/config.lua", text)
      return (harness.shell(("XDG_CONFIG_HOME=%s %s complete -- jobs --caller '' 2>&1"):format(home, harness.program)))
    end
    assert.equal("prod\t\ntest\t\n", callers "callers = { test = 'localhost:1', prod = 'prod.example.net' }")
    assert.equal("", callers "callers = = 1")
  end)

  it("is quiet, and soon over, where nobody answers or not well", function()
    assert.same({}, bash("call ''", "127.0.0.1:1"))
    assert.same({}, bash "call refused ''")
    assert.same({}, bash "call no_such_host ''")
    local proxy = harness.proxy(dispatcher)
    proxy:stall()
    assert.is_true(harness.seconds(function()
      local output, errors = harness.harp(("complete -- call --caller 127.0.0.1:%d ''"):format(proxy.port))
      assert.same({ "", "" }, { output, errors })
    end) < harness.PATIENCE)
  end)

  it("leaves what is behind a script to it", function()
    assert.same({ "--local" }, complete "run --lo")
    assert.same({ ":files" }, complete "run x.lua --lo")
    assert.same({ ":files" }, complete "--local x.lua ''")
  end)

  it("asks a host once for its procedures when Tab is pressed again", function()
    local function count()
      return tonumber((harp_(([[-e 'local n = 0
        for job in require "harp".caller(%q):jobs{ host = "web02" } do n = n + 1 end print(n)']]):format(
        dispatcher.address))))
    end
    -- (the answer is kept for 10 s)
    assert.is_true(harness.is_below(2, function()
      local before = count()
      for _ = 1, 3 do offers({ "sum" }, "call web02 su") end
      return count() - before
    end))
  end)

  it("has a script for zsh that zsh takes", function()
    if not is_installed "zsh" then return pending "zsh is not here" end
    local path = harness.write(harness.directory() .. "/_harp", (harp_ "completion zsh"))
    assert.same({ "", 0 }, { harness.shell("zsh -n " .. path .. " 2>&1") })
  end)
end)
