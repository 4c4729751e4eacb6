-- Scripts as people write them: how they start, what they find, how they end.

local harness = require "spec.support.harness"

local is_program = package.preload.harp ~= nil
local run = harness.harp
local harp = require "harp"

local directory

local function write(name, text) return harness.write(directory .. "/" .. name, text) end

-- Runs code; the rest are its arguments, as a shell has them.
local function code(text, arguments) return run("- " .. (arguments or ""), text) end

-- The module alone is seen by every Lua.
local of_program = is_program and describe or function() end

of_program("a script", function()
  before_each(function() directory = harness.directory() end)
  teardown(harness.clean_up)

  -- An executable `harp` in front of PATH, and a script that is one, too.
  local function start(first_line, arguments)
    local path = write("tool", first_line .. "\nprint(arg[0], ...)")
    harness.shell(("chmod +x %s; ln -sf %s %s/harp"):format(path, harness.program, directory))
    return path, (harness.shell(("PATH=%s:$PATH %s %s 2>&1"):format(directory, path, arguments)))
  end

  it("is a program by its first line, with its arguments", function()
    local path, output = start("#!/usr/bin/env harp", "one 'two 2' --help")
    assert.equal(path .. "\tone\ttwo 2\t--help\n", output)
  end)

  it("can have an option in its first line", function()
    local path, output = start("#!" .. directory .. "/harp --local", "a")
    assert.equal(path .. "\ta\n", output)
  end)

  describe("finds modules", function()
    local function tree()
      harness.shell(("mkdir -p %s/real/deep %s/elsewhere"):format(directory, directory))
      write("real/script.lua", "print(require 'mylib', require 'deep', require 'deep.more')")
      write("real/mylib.lua", "return 'mine'")
      write("real/deep/init.lua", "return 'init'")
      write("real/deep/more.lua", "return 'more'")
      write("elsewhere/mylib.lua", "return 'not mine'")
    end

    it("beside it, wherever it is called from, and before all others", function()
      tree()
      local output = harness.shell(("cd %s/elsewhere && LUA_PATH='./?.lua' %s ../real/script.lua"):format(
        directory, harness.program))
      assert.truthy(output:find "^mine\tinit\tmore")
    end)

    it("beside the file that a link leads to", function()
      tree()
      harness.shell(("ln -s ../real/script.lua %s/elsewhere/link"):format(directory))
      assert.truthy(run(directory .. "/elsewhere/link"):find "^mine\tinit\tmore")
    end)
  end)

  describe("that calls os.exit", function()
    local PRELUDE = [[
      local harp = require "harp"
      local function closing(text) return setmetatable({}, { __close = function() print(text) end }) end
      kept = setmetatable({}, { __gc = function() print "collected" end })
      local main <close> = closing "main closed"
      io.write "said "
    ]]

    local function ends(text, status, output)
      local out, errors, code_ = code(PRELUDE .. text)
      assert.same({ output, "", status }, { out, errors, code_ }, text)
    end

    it("closes what is open, collects, and ends with that status", function()
      ends("os.exit(7)", 7, "said main closed\ncollected\n")
      ends("os.exit(true)", 0, "said main closed\ncollected\n")
      ends("os.exit(false)", 1, "said main closed\ncollected\n")
      ends("os.exit()", 0, "said main closed\ncollected\n")
    end)

    it("is not stopped by pcall, coroutines, or where nothing can wait", function()
      ends("pcall(os.exit, 3)", 3, "said main closed\ncollected\n")
      ends("coroutine.wrap(function() coroutine.wrap(function() os.exit(4) end)() end)()", 4,
        "said main closed\ncollected\n")
      ends("table.sort({ 1, 2 }, function() os.exit(5) end)", 5, "said collected\n")
    end)

    it("ends from within a task, with waits pending", function()
      local output, _, status = code(PRELUDE .. [[
        harp.spawn(function() local t <close> = closing "task closed" harp.sleep(100) end)
        harp.spawn(function() harp.sleep(0.01) os.exit(6) end)
        harp.sleep(100)]])
      assert.equal(6, status)
      for _, text in ipairs{ "said ", "main closed\n", "task closed\n", "collected\n$" } do
        assert.truthy(output:find(text), output)
      end
      ends([[
        local task = harp.spawn(harp.sleep, 100)
        harp.spawn(function() harp.sleep(0.01) os.exit(7) end)
        table.sort({ 1, 2 }, function() task:join() end)]], 7, "said collected\n")
      ends("harp.map({ 1, 2, 3 }, function(i) harp.sleep(i / 100) os.exit(i) end)", 1,
        "said main closed\ncollected\n")
    end)

    it("ends even if closing waits, fails, or calls it again", function()
      ends([[local t <close> = setmetatable({}, { __close = function() harp.sleep(0.01) print "waited" end })
        os.exit(2)]], 2, "said waited\nmain closed\ncollected\n")
      ends([[local t <close> = setmetatable({}, { __close = function() error "x" end })
        os.exit(2)]], 2, "said main closed\ncollected\n")
      ends("setmetatable({}, { __gc = function() os.exit(9) end }) os.exit(2)", 9, "said main closed\n")
    end)

    it("leaves all as it is when told so", function() ends("os.exit(8, false)", 8, "said ") end)
  end)

  describe("that fails", function()
    local function fails(text, status, pattern, arguments)
      local _, errors, got = run((arguments or "") .. " -", text)
      assert.equal(status, got, text)
      assert.truthy(errors:find(pattern), errors)
      return errors
    end

    it("by an error of Lua, has status 1 and a traceback", function()
      fails("local function f() error 'oh no' end f()", 1, "^harp: stdin:1: oh no\nstack traceback:.*main chunk")
    end)

    it("by an error of a call, has that one's status, one line, and the place in the script", function()
      local errors = fails("\nlocal function ask() require 'harp'.caller '127.0.0.1:1'.h.f() end\nask()", 6,
        "^harp: econnrefused: 127.0.0.1:1: Connection refused; .*\n      at stdin:2, in local 'ask'\n$")
      assert.equal(2, select(2, errors:gsub("\n", "")))
      fails("require 'harp'.timeout(0.01, require 'harp'.sleep, 9)", 7, "^harp: timeout: not done after 0.01 s\n")
      fails("require 'harp'.all{ require 'harp'.caller '127.0.0.1:1' and nil }", 0, "")
      fails("local t = require 'harp'.spawn(require 'harp'.sleep, 9) t:cancel() t:join()", 5, "^harp: task: ")
    end)

    it("has the status of what a job ended with", function()
      local errors = fails([[
        local rpc = require "harp".caller()
        local ok, failure = pcall(function() return rpc.nowhere.f():get() end)
        if ok then error "x" end
        print(pcall(error, failure, 0))
        rpc.localhost.fail("out of paper"):get()]], 3, "^harp: example_failure: out of paper %[job ", "--local")
      assert.truthy(errors:find "\n      at stdin:5, in main chunk\n$")
      fails("require 'harp'.caller().nowhere.f():get()", 4, "^harp: unknown_host: ", "--local")
    end)

    it("by Ctrl-C, has status 130 and no traceback", function()
      local output, status = harness.signalled("INT", { "on" },
        ([[%s -e 'io.stderr:write "on\n" require "harp".sleep(100)']]):format(harness.program))
      assert.equal(130, status)
      assert.truthy(output:find "^on\nharp: [^\n]*interrupted\n$", output)
    end)
  end)

  it("closes what its tasks have open, when it fails", function()
    local output, _, status = code [[
      local harp = require "harp"
      harp.spawn(function()
        local t <close> = setmetatable({}, { __close = function() print "closed" end })
        harp.sleep(100)
      end)
      harp.sleep(0)
      error "x"]]
    assert.same({ "closed\n", 1 }, { output, status })
  end)
end)

of_program("harp check", function()
  before_each(function() directory = harness.directory() end)
  teardown(harness.clean_up)

  local function check(text, options)
    local path = write("s.lua", text)
    local output, errors, status = run(("check %s %s"):format(options or "", path))
    assert.equal("", errors)
    return output:gsub(path:gsub("%p", "%%%0"), "s"), status
  end

  it("has nothing to say of a good script, and runs none", function()
    assert.same({ "", 0 }, { check [[#!/usr/bin/env harp
      local harp = require "harp"
      os.execute "touch /nonexistent/x" error "not run"
      count = 0
      function helper() count = count + 1 return harp.null, harp.log.info, harp.encode(count) end
      local unpack, e = unpack or table.unpack, _ENV
      if setfenv then setfenv(1, {}) end
      if jit ~= nil then print(jit.version, unpack, e) end
      do local _ENV = { x = 1 } x = x + y end
      local other = { harp = harp }
      print(helper, other.harp, arg[1], utf8, ...)]] })
  end)

  it("warns of globals that nobody has, once each", function()
    assert.same({ "s:1: warning: 'pirnt' is no global of Lua's, harp's or this script's\n"
      .. "s:3: warning: 'total' becomes a global in a function: is `local` missing?\n", 0 },
      { check "pirnt(1)\npirnt(2)\nlocal function f() total = 1 return total end\nf()" })
  end)

  it("warns of names that harp does not have, also in inner functions", function()
    local output = check [[
      local h = require("harp")
      h.slep(1)
      return function() return function() return h.encod(1), h:jsn(), require "harp".nul end end]]
    assert.same("s:2: warning: harp has no 'slep'\ns:3: warning: harp has no 'encod'\n"
      .. "s:3: warning: harp has no 'jsn'\ns:3: warning: harp has no 'nul'\n", output)
  end)

  it("sees what stands behind hundreds of constants", function()
    local lines = { "local harp = require 'harp'" }
    for i = 1, 300 do lines[#lines + 1] = ("x%d = 'c%d'"):format(i, i) end
    lines[#lines + 1] = "print(x300, x301, harp.foo)"
    assert.equal("s:302: warning: 'x301' is no global of Lua's, harp's or this script's\n"
      .. "s:302: warning: harp has no 'foo'\n", (check(table.concat(lines, "\n"))))
  end)

  it("fails for what does not compile, and with --strict for warnings", function()
    assert.same({ "s:1: error: unexpected symbol near '='\n", 1 }, { check "x = = 1" })
    assert.equal(1, select(2, check("pirnt(1)", "--strict")))
    assert.equal(0, select(2, check("print(1)", "--strict")))
    assert.same({ "/no/such: error: cannot open /no/such: No such file or directory\n", "", 1 },
      { run "check /no/such" })
  end)

  it("is content with what is in the box", function()
    assert.same({ "", "", 0 }, { run "check --strict scripts/recipes/*.lua scripts/procedures/*.lua" })
  end)
end)

-- ---- the module: here as in any Lua ----

local DECLARATION = {
  "Restarts nginx.",
  { "host", "where", args = "+" },
  { "-l --limit", "at most so many", type = "integer", default = 3 },
  { "--dry-run", "only say what would be done", flag = true },
  { "--mode", "how", choices = { "fast", "safe" } },
  { "--data", type = "json" },
  { "--names", type = "list" },
  { "--wait", type = "boolean", default = true },
  { "--rate", type = "number", env = "HARP_SPEC_RATE" },
  { "--file", type = "file" },
  { "--tag", many = true },
}

local function usage_error(declaration, words)
  local failure = harness.raised(harp.args, declaration, words)
  assert.truthy(harp.is_error(failure, "UsageError"), tostring(failure))
  return failure.message
end

describe("harp.args", function()
  teardown(harness.clean_up)

  it("gives values and defaults by name", function()
    assert.same({ host = { "a", "b" }, limit = 3, dry_run = false, wait = true, tag = {} },
      harp.args(DECLARATION, { "a", "b" }))
    assert.same({ host = { "a" }, limit = -5, dry_run = true, wait = false, mode = "fast", tag = { "x", "y" },
      data = { k = { 1, 2 } }, names = { "a", "b" }, rate = -.5, file = "/etc/passwd" },
      harp.args(DECLARATION, { "--limit", "-5", "a", "--dry-run", "--wait=no", "--mode", "fast", "--tag", "x",
        "--data", '{"k":[1,2]}', "--names", "a, b", "--rate", "-.5", "--file", "/etc/passwd", "--tag", "y" }))
    assert.same({ "-1", "--limit" }, harp.args(DECLARATION, { "-1", "--", "--limit" }).host)
  end)

  it("says what is wrong, in one line", function()
    for message, words in pairs{
      ["missing argument 'host'"] = {},
      ["--limit: an integer is needed"] = { "a", "-l", "1.5" },
      ["--rate: a number is needed"] = { "a", "--rate", "x" },
      ["--wait: true or false is needed"] = { "a", "--wait", "x" },
      ["--mode: must be one of fast, safe"] = { "a", "--mode", "x" },
      ["--file: /no/such: No such file or directory"] = { "a", "--file", "/no/such" },
      ["--file: /: Is a directory"] = { "a", "--file", "/" },
      ["unknown option '--lim'"] = { "a", "--lim" },
      ["unknown option '--limt' (did you mean '--limit'?)"] = { "a", "--limt" },
    } do
      assert.equal(message, usage_error(DECLARATION, words))
    end
    assert.truthy(usage_error(DECLARATION, { "a", "--data", "{" }):find "^%-%-data: JSON is needed: ")
    assert.equal("option '--x' is required", usage_error({ { "--x", required = true } }, {}))
  end)

  it("has help that says all of it", function()
    local none, help = harp.args(DECLARATION, { "--help" })
    assert.is_nil(none)
    for _, text in ipairs{ "Restarts nginx.", "where", "at most so many (default 3)", "how (one of fast, safe)",
      "-l, --limit <limit> ",
      "($HARP_SPEC_RATE)" } do
      assert.truthy(help:find(text, 1, true), help)
    end
  end)

  it("converts by a function", function()
    local declaration = { { "when", type = function(word)
      if word == "now" then return 0 end
      return nil, "say now"
    end } }
    assert.same({ when = 0 }, harp.args(declaration, { "now" }))
    assert.equal("when: say now", usage_error(declaration, { "later" }))
  end)

  it("refuses a declaration that makes no sense", function()
    for text, declaration in pairs{
      ['--x: unknown field "deflt"'] = { { "--x", deflt = 1 } },
      ['--x: unknown type "int"'] = { { "--x", type = "int" } },
      ["a text, or a table that begins with a name, is needed"] = { { type = "json" } },
    } do
      local message = harness.raised(function() return (harp.args(declaration, {})) end)
      assert.truthy(message:find "scripts_spec.lua:%d+: harp.args: ", message)
      assert.truthy(message:find(text, 1, true), message)
    end
  end)

  if is_program then
    it("ends the script: 0 for help, 2 and one line for wrong usage", function()
      directory = harness.directory()
      local path = write("tool.lua", [[local args = require "harp".args{
        "Does it.", { "--n", "how many", type = "integer", env = "N" } } print(args.n)]])
      local output, errors, status = run(path .. " --help")
      assert.same({ "", 0 }, { errors, status })
      assert.truthy(output:find "^Usage: tool.lua .*Does it.*how many")
      assert.same({ "", "tool.lua: --n: an integer is needed; see tool.lua --help\n", 2 }, { run(path .. " --n x") })
      assert.equal("5\n", (harness.shell(("N=5 %s %s"):format(harness.program, path))))
      assert.same("tool.lua: $N: --n: an integer is needed; see tool.lua --help\n",
        (harness.shell(("N=x %s %s 2>&1"):format(harness.program, path))))
    end)
  end
end)

describe("harp.log", function()
  teardown(harness.clean_up)

  local function without_times(text) return (text:gsub("%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d ", "")) end

  -- What a function writes; each line at once.
  local function lines(fn)
    local stderr, list = io.stderr, {}
    rawset(io, "stderr", { write = function(_, text) list[#list + 1] = without_times(text) end })
    local ok, failure = pcall(fn)
    rawset(io, "stderr", stderr)
    assert.is_true(ok, failure)
    return list
  end

  it("writes a line for each, with its level", function()
    assert.same({ "info    a 1\n", "info    100%\n", "warning w\n", "error   e nil\n" }, lines(function()
      harp.log("a %d", 1)
      harp.log.info "100%"
      harp.log.warning "w"
      harp.log.debug "no"
      harp.log.error("e %s", nil)
    end))
  end)

  it("shows tables as JSON, and nothing that moves a cursor", function()
    assert.same({ 'info    [1] {"a":[]}\n', 'info    {"b":1}\n', "info    x\\x1b[2J\n    y\n", "info    %d [z]\n" },
      lines(function()
        harp.log("%s %s", { 1 }, { a = harp.array{} })
        harp.log{ b = 1 }
        harp.log "x\27[2J\ny"
        harp.log("%d", "z")
      end))
  end)

  it("has the level that the script says", function()
    assert.same({ "debug   d\n" }, lines(function()
      harp.log.level = "debug"
      harp.log.debug "d"
      harp.log.level = "off"
      harp.log.error "no"
    end))
    assert.equal("off", harp.log.level)
    harp.log.level = "info"
    assert.truthy(harness.raised(function() harp.log.level = "loud" end):find "scripts_spec.lua:%d+: harp.log.level: ")
  end)

  if is_program then
    it("has the level that the environment says", function()
      local function with(level)
        return without_times((harness.shell(([[HARP_LOG=%s %s -e 'local log = require "harp".log
          log.debug "d" log "i" log.error "e"' 2>&1]]):format(level, harness.program))))
      end
      assert.equal("debug   d\ninfo    i\nerror   e\n", with "debug")
      assert.equal("error   e\n", with "error")
      assert.truthy(with "loud":find '^warning $HARP_LOG: "loud" is none of .*\ninfo    i\n')
    end)
  end
end)
