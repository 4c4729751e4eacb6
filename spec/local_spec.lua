-- harp local: a user's own dispatcher and daemon. Each test has a home of its
-- own, so that none meets that of who runs the specs.

local harness = require "spec.support.harness"
local screen = require "spec.support.screen"

describe("harp local", function()
  local home, state

  before_each(function()
    home = harness.directory()
    state = home .. "/state"
    harness.shell("mkdir " .. home .. "/run")
  end)

  -- What a shell has before a command; `harp_` and `start` run it so.
  local function environment()
    return ("env -u HARP_CALLER -u HARP_USER -u HARP_PASSWORD XDG_STATE_HOME=%s XDG_CONFIG_HOME=%s/config "
      .. "XDG_RUNTIME_DIR=%s/run"):format(state, home, home)
  end

  -- Standard output and error together, and the exit status.
  local function harp_(arguments, more)
    return harness.shell(("%s %s %s %s </dev/null 2>&1"):format(environment(), more or "", harness.program, arguments))
  end

  local function has(text, output) assert.truthy(output:find(text, 1, true), output) end

  local function well(arguments, more)
    local output, status = harp_(arguments, more)
    assert.equal(0, status, output)
    return output
  end

  after_each(function() harp_ "local --stop" end)
  teardown(function()
    screen.close_all()
    harness.clean_up()
  end)

  local function process()
    return (well "local --status":match "process (%d+)")
  end

  -- The servers of this home, a line each.
  local function servers()
    return harness.shell(("pgrep -af -- '--config [%s]%s'"):format(state:sub(1, 1), state:sub(2)))
  end

  -- One in the foreground: its process, what it has said, and a function that waits for its end.
  local function start(arguments)
    local pipe = io.popen(("exec %s sh -c 'echo $$; exec %s local %s 2>&1'"):format(
      environment(), harness.program, arguments or ""))
    local pid, said = pipe:read "l", {}
    repeat
      local line = pipe:read "l"
      said[#said + 1] = line
    until not line or line:find "^Jobs and logs"
    return pid, table.concat(said, "\n"), function()
      local rest = pipe:read "a"
      local _, _, status = pipe:close()
      return status, rest
    end
  end

  local function kill(pid, signal) harness.shell(("kill -%s %s"):format(signal, pid)) end

  local function kill_it()
    kill(process(), "KILL")
    harness.eventually(function() return harp_ "local --status":find "none runs" end)
  end

  it("is found by commands, scripts and servers without being told", function()
    has("harp procedures localhost", well "local --background --hosts web01,web02")
    local list = {}
    for name in well "hosts":gmatch '"name":"([^"]*)"' do list[#list + 1] = name end
    table.sort(list)
    assert.same({ "localhost", "web01", "web02" }, list)
    has('"result":{"difference":2,"sum":8}', well "call web02 sum_and_difference 5 3")
    assert.equal("8\t7\n", well [[-e 'local harp = require "harp"
      print(harp.caller().web01.sum_and_difference(5, 3):get().sum, harp.server{}.sum_and_difference(4, 3).sum)']])
    local status = well "local --status"
    has("unix:" .. state .. "/harp/local/dispatcher.socket", status)
    has(state .. "/harp/local/{dispatcher,daemon}.log", status)
    has("localhost, web01, web02", status)
    has("2: 2 ended", status)
    has("submitted job=", harness.read(state .. "/harp/local/dispatcher.log"))
  end)

  it("stands behind all that names another dispatcher or daemon", function()
    well "local --background"
    local function caller(code, more) return well(("-e 'print(require [[harp]].%s)'"):format(code), more) end
    has("unix:" .. state, caller "caller()")
    has(('"value":"unix:%s/harp/local/dispatcher.socket","from":"harp local, which runs"'):format(state), well "config")
    has("localhost:3502", caller "caller [[localhost]]")
    has("other:1", caller("caller()", "HARP_CALLER=other:1"))
    has("localhost:3502", caller "caller{ tls = true }")
    has("localhost:4306", caller "server{ user = [[me]], password = [[x]] }")
    has("localhost:4306", caller("server{}", "HARP_USER=me HARP_PASSWORD=x"))
    local output = well "--local -e 'print(require [[harp]].caller())'"
    assert.falsy(output:find(state, 1, true), output)
  end)

  it("keeps its jobs", function()
    well "local --background"
    local id = well "call --detach localhost sum_and_difference 5 3":match "%x+%-[%x-]+"
    has('"sum":8', well("job result --wait " .. id))
    assert.equal("harp local: ended\n", well "local --stop")
    assert.equal("", servers())
    well "local --background"
    has('"sum":8', well("job result " .. id))
  end)

  it("leaves nothing that runs when it is killed, is not believed then, and can start at once", function()
    well "local --background"
    kill_it()
    assert.equal(1, select(2, harp_ "local --status"))
    has("localhost:3502", well "-e 'print(require [[harp]].caller())'")
    well "local --background"
    has('"sum":8', well "call localhost sum_and_difference 5 3")
    well "local --stop"
    assert.equal("", servers())
    local output, status = harp_ "local --stop"
    assert.equal(1, status)
    has("none runs", output)
  end)

  it("runs once a user", function()
    local pid = start()
    for _, how in ipairs{ "local", "local --background" } do
      local output, status = harp_(how)
      assert.equal(1, status)
      has(("one runs already (process %s); harp local --stop ends it"):format(pid), output)
    end
  end)

  it("ends well by Ctrl-C, SIGTERM and --stop, in the foreground too", function()
    for _, signal in ipairs{ "INT", "TERM", "stop" } do
      local pid, said, wait = start()
      has("until Ctrl-C", said)
      has("harp procedures localhost", said)
      if signal == "stop" then well "local --stop" else kill(pid, signal) end
      assert.same({ 0, "harp local: ended; its jobs are kept\n" }, { wait() })
      assert.equal("", servers())
      assert.equal("", harness.read(state .. "/harp/local/running"))
    end
  end)

  it("says its end on a line of its own", function()
    local it_is = screen.open(("sh -c 'trap : INT; %s local; sleep 100'"):format(harness.program), { directory = home })
    it_is:expect "Jobs and logs are in"
    it_is:press "C-c"
    it_is:expect "^C\nharp local: ended; its jobs are kept"
    it_is:close()
  end)

  it("ends with its terminal", function()
    local terminal = io.popen(("echo $$; exec script -qc 'exec %s %s local' /dev/null </dev/null 2>&1"):format(
      environment(), harness.program))
    local pid = terminal:read "l"
    harness.eventually(function() return select(2, harp_ "local --status") == 0 end)
    kill(pid, "KILL")
    terminal:close()
    harness.eventually(function() return servers() == "" end)
    harness.eventually(function() return select(2, harp_ "local --status") == 1 end)
  end)

  it("says which of its servers ended, and ends itself", function()
    local _, _, wait = start()
    kill(servers():match "(%d+) [^\n]*daemon%.lua", "KILL")
    local status, said = wait()
    assert.equal(1, status)
    has("the daemon has ended; its log is " .. state .. "/harp/local/daemon.log", said)
    assert.equal("", servers())
  end)

  it("holds nothing open in the background", function()
    -- the pipe ends, and the directory can be left
    local output = harness.shell(
      ("cd %s && timeout 50 sh -c '%s %s local --background 2>&1 | cat' && echo over"):format(
        harness.directory(), environment(), harness.program))
    has("over", output)
    assert.equal("/\n", (harness.shell("readlink /proc/" .. process() .. "/cwd")))
    assert.equal(process() .. "\n", (harness.shell("ps -o sid= " .. process() .. " | tr -d ' '")))
  end)

  describe("in a directory with a long name", function()
    before_each(function() state = home .. "/" .. ("long"):rep(30) end)

    it("has its socket in XDG_RUNTIME_DIR", function()
      well "local --background"
      has("unix:" .. home .. "/run/harp/", well "local --status")
      has('"sum":8', well "call localhost sum_and_difference 5 3")
      kill_it()
      well "local --background"                         -- which clears up after the other one
      local _, count = harness.shell("ls " .. home .. "/run/harp"):gsub("\n", "")
      assert.equal(1, count)
      well "local --stop"
      assert.equal("", (harness.shell("ls " .. home .. "/run/harp")))
    end)

    it("has it in a private directory where there is none", function()
      well("local --background", "XDG_RUNTIME_DIR=")
      local place = well "local --status":match "unix:(/tmp/[^/]*)/"
      assert.equal("700\n", (harness.shell("stat -c %a " .. place)))
      has('"sum":8', well "call localhost sum_and_difference 5 3")
      well "local --stop"
      assert.not_equal(0, select(2, harness.shell("ls " .. place .. " 2>/dev/null")))
    end)
  end)

  describe("procedures", function()
    local own

    before_each(function()
      own = home .. "/config/harp/procedures"
      harness.shell(("mkdir -p %s.d"):format(own))
      harness.write(own .. ".lua", 'procedure("mine", function() return "mine" end)')
      harness.write(own .. ".d/more.lua", 'procedure("more", function() return "more" end)')
    end)

    it("are the user's own, and are loaded again", function()
      well "local --background"
      has('"result":"mine"', well "call localhost mine")
      has('"result":"more"', well "call localhost more")
      has("no_such_procedure", (harp_ "call localhost sum_and_difference 5 3"))
      harness.write(own .. ".lua", 'procedure("mine", function() return "new" end)')
      -- (it gives the daemon three seconds)
      harness.eventually(function() return select(2, harp_ "local --reload") == 0 end)
      has('"result":"new"', well "call localhost mine")
      harness.write(own .. ".lua", "procedure(")
      local output, status
      harness.eventually(function()
        output, status = harp_ "local --reload"
        return not output:find "has not said"
      end)
      assert.equal(1, status)
      has("not reloaded, all stays as it was: procedures: " .. own .. ".lua:1:", output)
      has('"result":"new"', well "call localhost mine")
      harness.shell(("rm -r %s.lua %s.d"):format(own, own))
      kill(process(), "HUP")
      harness.eventually(function() return select(2, harp_ "call localhost sum_and_difference 5 3") == 0 end)
    end)

    it("are those of --procedures instead", function()
      local directory = harness.directory()
      harness.write(directory .. "/a.lua", 'procedure("a", function() return "a" end)')
      local file = harness.write(harness.directory() .. "/b.lua", 'procedure("b", function() return "b" end)')
      well(("local --background --procedures %s --procedures %s"):format(directory, file))
      has('"result":"a"', well "call localhost a")
      has('"result":"b"', well "call localhost b")
      has("no_such_procedure", (harp_ "call localhost mine"))
    end)

    it("that are wrong keep it from starting", function()
      harness.write(own .. ".lua", "procedure(")
      for _, how in ipairs{ "local", "local --background" } do
        local output, status = harp_(how)
        assert.equal(1, status)
        has("the daemon did not start", output)
        has(own .. ".lua:1:", output)
        assert.equal("", servers())
      end
    end)
  end)

  it("shows nobody its secrets", function()
    harness.shell(("mkdir -p %s/harp/local && chmod 755 %s/harp/local"):format(state, state))
    well "local --background"
    local directory = state .. "/harp/local"
    assert.equal("700\n", (harness.shell("stat -c %a " .. directory)))
    local password = harness.read(directory .. "/running"):match '"password":"(%x+)"'
    assert.equal("", (harness.shell(("find %s -type f -perm /077 -exec grep -l -e %s -e PRIVATE {} +"):format(
      directory, password))))
    assert.equal(48, #password)
    for line in servers():gmatch "[^\n]+" do assert.falsy(line:find(password, 1, true)) end
    assert.falsy(harness.shell("tr '\\0' ' ' </proc/" .. process() .. "/cmdline"):find(password, 1, true))
    harness.eventually(function() return io.open(directory .. "/local.log") end)
    for _, log in ipairs{ "daemon.log", "dispatcher.log", "local.log" } do
      assert.falsy(harness.read(directory .. "/" .. log):find(password, 1, true))
    end
  end)

  it("refuses what makes no sense", function()
    for arguments, message in pairs{
      ["local web01"] = "it takes no argument: web01",
      ["local --nonsense"] = "unknown option --nonsense",
      ["local --hosts"] = "a value is missing after --hosts",
      ["local --stop --status"] = "one at a time",
      ["local --stop --background"] = "of no use with --stop",
      ["local --background --verbose"] = "--verbose is of no use",
      ["local --procedures /no/such"] = "cannot read /no/such",
    } do
      local output, status = harp_(arguments)
      assert.equal(2, status, arguments)
      has(message, output)
    end
    harness.write(state, "")
    local output, status = harp_ "local"
    assert.equal(1, status)
    has("cannot make " .. state, output)
  end)
end)
