-- The process of a call: who it is, what it may use, and how it ends.

local harness = require "spec.support.harness"
local harp = require "harp"
local socket = require "socket"

local eventually = harness.eventually

local PROCEDURES = [[
local harp = require "harp"

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

local function status(field)
  return (read "/proc/self/status":match("\n" .. field .. ":%s*([^\n]*)"):gsub("%s+", " "):gsub(" $", ""))
end

local function limit(name) return { read "/proc/self/limits":match(name .. "%s+(%S+)%s+(%S+)") } end

local function output(command)
  local pipe <close> = io.popen(command)
  return pipe:read "a"
end

local function about()
  local pid, parent, group, session = read "/proc/self/stat":match "^(%d+) %(.*%) %S (%d+) (%d+) (%d+)"
  return {
    pid = tonumber(pid), parent = tonumber(parent), group = tonumber(group), session = tonumber(session),
    uids = status "Uid", gids = status "Gid", groups = status "Groups", capabilities = status "CapPrm",
    umask = status "Umask", core = limit "Max core file size", memory = limit "Max address space",
    cpu = limit "Max cpu time", files = limit "Max open files",
    directory = output "pwd", environment = output "env", descriptors = output "ls -l /proc/self/fd",
    ignored = output "grep SigIgn /proc/self/status",
  }
end

procedure("about", about)
procedure("limited", { limits = { memory = 1 << 50, cpu = 50, files = 64 } }, about)
procedure("dressed", { env = { COLOUR = "a b", LANG = false } }, about)
procedure("few", { limits = { files = 1 } }, about)
procedure("tiny", { limits = { memory = 1 << 20 } }, about)

procedure("paths", function() return { package.path, package.cpath } end)
procedure("shell", function(command) os.execute(command) end)
procedure("short", { timeout = 0.3 }, function(command) os.execute(command) end)
procedure("reads", function(command) return io.popen(command):read "a" end)
stream("after", function(command) coroutine.yield "before" os.execute(command) end)

procedure("spin", { timeout = 0.3 }, function() while true do end end)
procedure("stubborn", { timeout = 0.3 }, function() while true do pcall(function() while true do end end) end end)
procedure("search", { timeout = 0.3 }, function() return (("a"):rep(40)):find(("a*"):rep(30) .. "b") end)
procedure("closing", { timeout = 0.3 }, function(file, wait)
  local last <close> = setmetatable({}, { __close = function() io.open(file, "w"):write "closed" end })
  if wait then harp.sleep(60) end
  while true do end
end)
procedure("burn", { limits = { cpu = 1 } }, function() while true do end end)
procedure("tables", { limits = { memory = 100 << 20 } }, function()
  local list = {}
  while true do list[#list + 1] = { list } end
end)
procedure("strings", { limits = { memory = 100 << 20 } }, function()
  local list = {}
  while true do list[#list + 1] = ("x"):rep(1 << 20) .. #list end
end)
stream("packets", { limits = { memory = 100 << 20 } }, function()
  local text = "x"
  while true do coroutine.yield(text) text = text .. text end
end)
procedure("recurse", function() local function f() return 1 + f() end return f() end)

stream("numbers", function(n) for i = 1, n do coroutine.yield(i) end return "end" end)
stream("endless", function(file)
  local text = ("x"):rep(1000)
  for i = 1, math.huge do
    if i % 1000 == 0 then
      local f <close> = io.open(file, "w")
      f:write(i)
    end
    coroutine.yield(text)
  end
end)
]]

local AS_NOBODY = [[
procedure("nobody", { user = "nobody" }, about)
procedure("grouped", { user = "nobody", group = "daemon" }, about)
procedure("group", { group = "daemon" }, about)
procedure("clothes", { user = "nobody", env = { HOME = "/tmp" } }, about)
procedure("short_nobody", { user = "nobody", timeout = 0.3 }, function(command) os.execute(command) end)
procedure("shell_nobody", { user = "nobody" }, function(command) os.execute(command) end)
]]

-- What this process can write to: which of the words, which are said backwards
-- so that asking does not make them be there, and what other processes see, too.
local MEMORY = [[
local function writable(line) return line:match "^(%x+)%-(%x+) rw(.)" end

procedure("memory", function(words)
  local found, shared, maps = {}, {}, {}
  local memory <close> = io.open "/proc/self/mem"
  for line in io.lines "/proc/self/maps" do maps[#maps + 1] = line end
  for _, line in ipairs(maps) do
    local first, last, sharing = writable(line)
    local start = first and tonumber(first, 16)
    if sharing == "s" then shared[#shared + 1] = line end
    local bytes = first and memory:seek("set", start) and memory:read(tonumber(last, 16) - start) or ""
    for _, word in ipairs(words) do
      if bytes:reverse():find(word, 1, true) then found[#found + 1] = word:reverse() .. line end
    end
  end
  return { words = found, shared = shared }
end)
]]

describe("the process of a call", function()
  local daemon
  local is_root = harness.shell "id -u" == "0\n"
  local has_sanitizer = harness.shell("ldd " .. harness.program):find "asan" ~= nil

  local function start(grace)
    return harness.daemon{
      procedures = PROCEDURES .. (is_root and AS_NOBODY or ""), settings = "grace = " .. (grace or 0.5),
    }
  end

  setup(function() daemon = start() end)
  teardown(harness.clean_up)

  local function request(procedure, ...)
    return ('{"harp":1,"procedure":%q,"arguments":%s,"auth":{"user":"tester","password":"secret"}}\n'):format(
      procedure, harp.encode(harp.array{ ... }))
  end

  -- A connection on which the call has been made.
  local function open(server, ...)
    local connection = harness.connect_tls(server)
    connection:send(request(...))
    return connection
  end

  -- The last line of the answer.
  local function answer(connection)
    local lines = harness.lines(connection)
    connection:close()
    return harp.decode(lines[#lines])
  end

  local function call(...) return answer(open(daemon, ...)) end
  local function about(procedure) return call(procedure).result end

  -- A command line that no other process has, and whether one with it is there.
  local count = 0
  local function mark()
    count = count + 1
    return ("%d"):format(socket.gettime() * 1000 % 1e9 // 1 * 1000 + count)
  end
  local function sleeps(number) return select(2, harness.shell(("pgrep -fx 'sleep %s'"):format(number))) == 0 end
  local function appears(number) eventually(function() return sleeps(number) end) end
  local function vanishes(number) eventually(function() return not sleeps(number) end) end

  local function as_root(name, test)
    it(name, function()
      if is_root then return test() end
      pending "only root can become another user"
    end)
  end

  describe("who it is:", function()
    it("the daemon's child, and the leader of a group and session of its own", function()
      local it_is = about "about"
      assert.equal(daemon.pid, tostring(it_is.parent))
      assert.same({ it_is.pid, it_is.pid }, { it_is.group, it_is.session })
    end)

    it("its commands have the null device, the log, and no other descriptor, and ignore no signal", function()
      local it_is = about "about"
      local targets = {}
      for number, target in it_is.descriptors:gmatch " (%d+) %-> ([^\n]+)" do targets[number + 1] = target end
      assert.equal(4, #targets)
      assert.equal("/dev/null", targets[1])
      assert.truthy(targets[2]:find "^pipe:")
      assert.equal(daemon.log, targets[3])
      assert.truthy(targets[4]:find "^/proc/")        -- of ls itself
      assert.truthy(it_is.ignored:find "[08]0000000\n$")      -- the bits of signals 1 to 31
    end)

    it("it has one connection, and no socket of the daemon's", function()
      local number = mark()
      eventually(function() return daemon:children() == 0 end)
      local connection = open(daemon, "shell", "sleep " .. number)
      appears(number)
      local pid = harness.shell("pgrep -P " .. daemon.pid):match "%d+"
      local descriptors = harness.shell(("ls -l /proc/%s/fd"):format(pid))
      assert.equal(1, select(2, descriptors:gsub("%-> socket:", "")))
      connection:close()
      vanishes(number)
    end)

    as_root("its user in all respects, without a way back", function()
      local it_is = about "nobody"
      assert.equal("65534 65534 65534 65534", it_is.uids)
      assert.equal("65534 65534 65534 65534", it_is.gids)
      assert.equal("65534", it_is.groups)
      assert.equal("0000000000000000", it_is.capabilities)
      assert.equal("0022", it_is.umask)
      assert.same({ "0", "0" }, it_is.core)
      assert.equal("/\n", it_is.directory)
      for _, line in ipairs{ "HOME=/nonexistent", "USER=nobody", "LOGNAME=nobody", "SHELL=/usr/sbin/nologin",
        "PATH=/usr/local/bin:/usr/bin:/bin" } do
        assert.truthy(("\n" .. it_is.environment):find("\n" .. line .. "\n", 1, true), line)
      end
      assert.truthy(("\n" .. about "about".environment):find "\nHARP_BUILD=")
      assert.is_nil(("\n" .. it_is.environment):find "\nHARP_BUILD=")
      assert.truthy(("\n" .. about "clothes".environment):find("\nHOME=/tmp\n", 1, true))
      assert.truthy(about "about".uids:find "^0 ")
    end)

    as_root("its groups, and no others", function()
      local it_is = about "grouped"
      assert.same({ "65534 65534 65534 65534", "1 1 1 1", "1" }, { it_is.uids, it_is.gids, it_is.groups })
      it_is = about "group"
      assert.same({ "0 0 0 0", "1 1 1 1", "1" }, { it_is.uids, it_is.gids, it_is.groups })
    end)

    it("nobody's password in its memory, nor what it shares with the daemon", function()
      if has_sanitizer then return pending "a sanitizer keeps what was freed" end
      local hash = harness.shell("openssl passwd -6 fourth-word"):match "%S+"
      local passwords = harness.write(harness.directory() .. "/users", "filed:" .. hash .. "\n")
      local other = harness.daemon{ procedures = MEMORY, settings = ([[
        users = { first = "first-word", second = "second-word" } password_file = %q]]):format(passwords) }
      local words = harp.array{}
      for i, word in ipairs{ "first-word", "second-word", hash, "fourth-word" } do words[i] = word:reverse() end
      for user, password in pairs{ first = "first-word", filed = "fourth-word" } do
        local lines = harness.ask_tls(other, ('{"harp":1,"procedure":"memory","arguments":%s,"auth":%s}\n'):format(
          harp.encode(harp.array{ words }), harp.encode{ user = user, password = password }))
        assert.same({ result = { words = {}, shared = {} } }, harp.decode(lines[2]))
      end
      other:stop()
    end)

    it("no modules from where the daemon was started", function()
      for _, path in ipairs(call "paths".result) do assert.is_nil((";" .. path):find(";%./")) end
    end)

    it("the environment that was asked for", function()
      local environment = "\n" .. about "dressed".environment
      assert.truthy(environment:find("\nCOLOUR=a b\n", 1, true))
      assert.is_nil(environment:find("\nLANG=", 1, true))
    end)

    it("its limits", function()
      local it_is = about "limited"
      assert.same({ "50", "51" }, it_is.cpu)
      assert.same({ "64", "64" }, it_is.files)
      assert.equal(("%d"):format(1 << 50), it_is.memory[1])
    end)

    it("it does not run when its terms cannot be had", function()
      local failure = call "few".error
      assert.same({ "system_error", "the limit of files must be at least 16" }, { failure.type, failure.message })
      failure = call "tiny".error
      assert.equal("system_error", failure.type)
      assert.truthy(failure.message:find "^the limit of memory must be more than %d+ bytes")
    end)
  end)

  it("is told of in the log with all that is known, when it was killed", function()
    harness.ask_tls(daemon, request("shell", "kill -KILL $PPID"))
    eventually(function()
      return harness.read(daemon.log):find "call_ended from=%S+ user=tester procedure=shell reason=Killed seconds=%d"
    end)
  end)

  describe("leaves nothing behind of what its commands started", function()
    -- Three generations.
    local function family(number) return ("(sleep %s & sleep %s) & sleep %s & wait"):format(number, number, number) end

    it("when the procedure has ended", function()
      local number = mark()
      call("shell", ("(sleep %s & sleep %s) &"):format(number, number))
      vanishes(number)
    end)

    it("when the caller hangs up", function()
      local number = mark()
      local connection = open(daemon, "shell", family(number))
      appears(number)
      connection:close()
      vanishes(number)
    end)

    it("when the time is over", function()
      local number = mark()
      assert.same({ type = "timeout", message = "short ran longer than its timeout of 0.3 s" },
        call("short", family(number)).error)
      vanishes(number)
    end)

    as_root("when it is another user's", function()
      local number = mark()
      assert.equal("timeout", call("short_nobody", family(number)).error.type)
      vanishes(number)
      local connection = open(daemon, "shell_nobody", family(number))
      appears(number)
      connection:close()
      vanishes(number)
    end)

    for name, procedure in pairs{ ["root's or the daemon's"] = "shell", ["another user's"] = "shell_nobody" } do
      (procedure == "shell" and it or as_root)(("when the daemon is killed by SIGKILL: %s"):format(name), function()
        local number, other = mark(), start()
        local connection = open(other, procedure, "trap '' TERM; " .. family(number))
        appears(number)
        other:stop "KILL"
        assert.equal("shutdown", answer(connection).error.type)
        vanishes(number)
      end)
    end

    it("when the daemon stops", function()
      local number, other = mark(), start(100)
      local connection = open(other, "shell", family(number))
      appears(number)
      os.execute("kill " .. other.pid)
      assert.same({ type = "shutdown", message = "shell was ended: the daemon stops" }, answer(connection).error)
      assert.equal(0, other:stop "0")          -- it stops already: waits for it
      vanishes(number)
    end)

    it("when the daemon stops, which cuts short what it reads: that is no result", function()
      local number, other = mark(), start(100)
      local connection = open(other, "reads", "sleep " .. number)
      appears(number)
      os.execute("kill " .. other.pid)
      assert.same({ type = "shutdown", message = "reads was ended: the daemon stops" }, answer(connection).error)
      assert.equal(0, other:stop "0")
    end)
  end)

  it("is ended at its timeout, whatever the procedure does about it", function()
    local number = mark()
    local calls = {
      open(daemon, "spin"), open(daemon, "stubborn"), open(daemon, "search"),
      open(daemon, "short", "trap '' TERM; sleep " .. number .. "; :"),
      open(daemon, "short", ("trap '' TERM; while :; do sleep %s; done"):format(number)),
    }
    for _, connection in ipairs(calls) do assert.equal("timeout", answer(connection).error.type) end
    eventually(function() return daemon:children() == 0 end)
    vanishes(number)
  end)

  it("closes at its timeout what the procedure left to be closed", function()
    local other = start(100)
    for _, wait in ipairs{ false, true } do
      local file = harness.directory() .. "/file"
      assert.equal("timeout", answer(open(other, "closing", file, wait)).error.type)
      eventually(function() return io.open(file) ~= nil and harness.read(file) == "closed" end)
    end
    other:stop()
  end)

  it("is ended by its limit of processor time", function()
    local failure = call "burn".error
    assert.same({ "system_error", "burn used more processor time than its limit" }, { failure.type, failure.message })
  end)

  it("is ended by its limit of memory, and says so", function()
    if has_sanitizer then return pending "the sanitizer needs more memory than any limit" end
    for _, procedure in ipairs{ "tables", "strings", "packets" } do
      local last = call(procedure)
      assert.truthy((last.error or last.exception).message:find "memory", procedure)
    end
    eventually(function() return daemon:children() == 0 end)
  end)

  it("survives a procedure that recurses without end", function()
    assert.truthy(call "recurse".exception.message:find "stack overflow")
  end)

  describe("sends", function()
    it("what was yielded before a command runs, at once", function()
      local number = mark()
      local connection = open(daemon, "after", "sleep " .. number)
      connection:settimeout(harness.PATIENCE)
      connection:receive "*l"
      assert.equal('{"stream":"before"}', (connection:receive "*l"))
      connection:close()
      vanishes(number)
    end)

    it("all packets, in their order", function()
      local connection = open(daemon, "numbers", 200000)
      assert.equal('{"harp":1,"stream_result":true}', (connection:receive "*l"))
      for i = 1, 200000 do
        local line = connection:receive "*l"
        if line ~= ('{"stream":%d}'):format(i) then error(("packet %d is %s"):format(i, line)) end
      end
      assert.equal('{"result":"end"}', (connection:receive "*l"))
      connection:close()
    end)

    it("no more than a caller takes, and stops when that hangs up or the daemon does", function()
      local other, file = start(), harness.directory() .. "/count"
      local function produced() return io.open(file) and tonumber(harness.read(file)) or 0 end
      local function stalls()
        local before
        eventually(function()
          local now = produced()
          local same = now > 0 and now == before
          before = now
          socket.sleep(0.2)
          return same
        end)
        return before
      end
      local connection = open(other, "endless", file)
      local at = stalls()
      assert.is_true(at < 30000)
      for _ = 1, 10000 do connection:receive "*l" end
      eventually(function() return produced() > at end)
      connection:close()
      eventually(function() return other:children() == 0 end)
      os.remove(file)
      connection = open(other, "endless", file)
      stalls()
      assert.equal(0, other:stop())
      connection:close()
    end)
  end)

  it("has its line in the log, once, with how it ended", function()
    for procedure, outcome in pairs{ about = "result", spin = "timeout", shell = "hung_up", burn = "cpu_limit",
      recurse = "exception", few = "error", numbers = "result" } do
      daemon:expect(("procedure=%s outcome=%s "):format(procedure, outcome))
    end
    local log = harness.read(daemon.log)
    assert.equal(1, select(2, log:gsub("procedure=spin outcome", "")))
    assert.equal(1, select(2, log:gsub("procedure=few outcome", "")))
  end)
end)
