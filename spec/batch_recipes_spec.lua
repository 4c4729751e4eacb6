-- The recipes of batches, at work on a stack: what they print, how they end, and
-- what is different afterwards.

local harness = require "spec.support.harness"
local json = require "spec.support.json"

local HOSTS = "web01,web02,web03,web04,web05,web06,fragile01"

describe("a recipe of batches:", function()
  local home, environment

  -- Each test has a stack, whose game of services and packages begins anew.
  before_each(function()
    home = harness.directory()
    harness.shell("mkdir " .. home .. "/run")
    environment = ("env -u HARP_CALLER -u HARP_USER -u HARP_PASSWORD LC_ALL=C.UTF-8 XDG_STATE_HOME=%s/state "
      .. "XDG_CONFIG_HOME=%s/config XDG_RUNTIME_DIR=%s/run "):format(home, home, home)
  end)

  -- Standard output, standard error, and the exit status.
  local function harp_(arguments)
    local errors = home .. "/errors"
    local output, status = harness.shell(("%s%s %s 2>%s </dev/null"):format(
      environment, harness.program, arguments, errors))
    return output, harness.read(errors), status
  end

  local function start_stack(more)
    local _, errors, status = harp_(("local --background --hosts %s %s >%s/stack"):format(HOSTS, more or "", home))
    assert.equal(0, status, errors)
  end

  after_each(function() harp_ "local --stop" end)
  teardown(harness.clean_up)

  local function recipe(words) return harp_("scripts/recipes/" .. words) end

  local function has(text, output) assert.truthy(output:find(text, 1, true), output) end

  -- What a host answers, decoded.
  local function ask(words)
    local output = harp_("call --json " .. words)
    return json.decode(output).result
  end

  local function write(name, text) return harness.write(home .. "/" .. name, text) end

  it("each has help, and complains of wrong usage", function()
    for _, name in ipairs{ "rolling_restart", "facts", "deploy", "compare_config", "follow_log" } do
      local output, errors, status = recipe(name .. ".lua --help")
      assert.same({ "", 0 }, { errors, status })
      has("--limit", output)
      output, errors, status = recipe(name .. ".lua --what web01")
      assert.same({ "", 2 }, { output, status })
      has("--what", errors)
    end
  end)

  describe("rolling_restart", function()
    local function restarts(name)
      return ask(("%s service_status web@%s"):format(name, name)).NRestarts
    end

    before_each(function() start_stack() end)

    it("restarts each once, in waves", function()
      local _, errors, status = recipe "rolling_restart.lua --settle 0 'web@{host}' 'web[01-06]'"
      assert.equal(0, status, errors)
      has("wave 1 of 3, 1 host\n", errors)
      has("wave 3 of 3, 4 hosts\n", errors)
      for i = 1, 6 do assert.equal(1, restarts(("web%02d"):format(i))) end
    end)

    it("may restart one service of one machine many times at once", function()
      local _, errors, status = recipe "rolling_restart.lua --settle 0 --serial 100% shared 'web[01-06]'"
      assert.equal(0, status, errors)
      assert.equal(6, ask "web01 service_status shared".NRestarts)
    end)

    it("stops behind a wave that is not healthy", function()
      local _, errors, status = recipe "rolling_restart.lua --settle 0 'web@{host}' web01,fragile01,web02,web03"
      assert.equal(1, status, errors)
      has("after wave 2: fragile01 is not healthy after its restart", errors)
      local seen = {}
      for i, name in ipairs{ "web01", "fragile01", "web02", "web03" } do seen[i] = restarts(name) end
      assert.same({ 1, 1, 0, 0 }, seen)
    end)

    it("fails when its last wave is not healthy", function()
      local _, errors, status = recipe "rolling_restart.lua --settle 0 'web@{host}' web01,fragile01"
      assert.equal(1, status)
      has("fragile01 is not healthy", errors)
    end)

    it("stops behind a host that cannot be restarted", function()
      local _, errors, status = recipe "rolling_restart.lua --settle 0 'web@{host}' web99,web01"
      assert.equal(4, status, errors)
      has('no host "web99" is known here', errors)
      assert.equal(0, restarts "web01")
    end)

    it("says what it would do", function()
      local output, _, status = recipe "rolling_restart.lua --dry-run 'web@{host}' 'web[01-06]'"
      assert.equal(0, status)
      has('service_restart("web@web01")', output)
      assert.equal(0, restarts "web01")
    end)
  end)

  describe("facts", function()
    it("makes a table of a fleet, with those that did not answer", function()
      start_stack()
      local output, _, status = recipe "facts.lua 'web[01-02]' web99"
      assert.equal(4, status)
      local lines = {}
      for line in output:gmatch "[^\n]+" do lines[#lines + 1] = line end
      assert.equal("host,outcome,message,facts.kernel,facts.memory,facts.name,facts.processors,facts.system", lines[1])
      assert.truthy(lines[2]:find "^web01,ok,,[%w.-]+,%d+,[%w.-]+,%d+,[^,]*$", lines[2])
      assert.equal('web99,error,"no host ""web99"" is known here",,,,,', lines[4])
      assert.equal(4, #lines)
    end)

    it("quotes what CSV would take apart", function()
      start_stack("--procedures " .. write("odd.lua", [[
        procedure("odd", function()
          local null = require "harp".null
          return { comma = "a,b", quote = 'say "hi"', lines = "one\ntwo", none = null, list = { 1, 2.5 },
            bell = "\a" }
        end)
        procedure("plain", function() return "alone" end)]]))
      local output, errors, status = recipe "facts.lua --ask odd,plain web01"
      assert.equal(0, status, errors)
      assert.equal('host,outcome,message,odd.bell,odd.comma,odd.lines,odd.list.1,odd.list.2,odd.none,odd.quote,plain\n'
        .. 'web01,ok,,\\x07,"a,b","one\ntwo",1,2.5,,"say ""hi""",alone\n', output)
    end)

    it("writes a file", function()
      start_stack()
      local file = home .. "/facts.csv"
      local output, _, status = recipe(("facts.lua --ask uptime --output %s web01"):format(file))
      assert.same({ "", 0 }, { output, status })
      assert.truthy(harness.read(file):find "^host,outcome,message,uptime.load.1,[^\n]*\nweb01,ok,,[%d.,]+\n$")
    end)
  end)

  describe("deploy", function()
    local function version(name) return ask(("%s installed_version shop@%s"):format(name, name)) end

    before_each(function() start_stack() end)

    it("brings all to a version", function()
      local _, errors, status = recipe "deploy.lua --restart 'web@{host}' 'shop@{host}' 2.0 'web[01-03]'"
      assert.equal(0, status, errors)
      for i = 1, 3 do assert.equal("2.0", version("web0" .. i)) end
      assert.equal(1, ask "web03 service_status web@web03".NRestarts)
    end)

    it("gives back what they had to those that were touched, when one fails", function()
      ask "web02 install_version shop@web02 1.5"
      local _, errors, status = recipe "deploy.lua --serial 1 'shop@{host}' 2.0 web01,web02,fragile01,web03"
      assert.equal(3, status, errors)
      has("shop@fragile01 2.0: no space left", errors)
      local seen = {}
      for i, name in ipairs{ "web01", "web02", "fragile01", "web03" } do seen[i] = version(name) end
      assert.same({ "1.0", "1.5", "1.0", "1.0" }, seen)
      local jobs = harp_ "jobs --json --host web03 --limit 100"
      assert.is_nil(jobs:find("install_version", 1, true), "web03 was not reached")
    end)

    it("takes a service that does not come up again for a failure, and says when it cannot undo it", function()
      ask "fragile01 install_version shop@fragile01 1.0"
      local _, errors, status = recipe "deploy.lua --restart web@fragile01 shop 2.0 web01"
      assert.equal(4, status, errors)
      has("web@fragile01 is failed", errors)
      has("not all are back at what they had: web01", errors)
      assert.equal("1.0", ask "web01 installed_version shop")
    end)

    it("touches nothing when a host does not say what it has", function()
      local _, errors, status = recipe "deploy.lua 'shop@{host}' 2.0 web01 web99"
      assert.equal(4, status, errors)
      assert.equal("1.0", version "web01")
    end)
  end)

  describe("deploy, killed halfway", function()
    local log

    -- Each installation is counted; that of web02 takes until there is a file. The
    -- one that is to fail is the last.
    before_each(function()
      log = home .. "/installed"
      start_stack("--procedures " .. write("slow.lua", ([[
        procedure("installed_version", function(package)
          local file <close> = io.open(%q .. "." .. package)
          return file and file:read "a" or "1.0"
        end)
        procedure("install_version", function(package, version)
          local file <close> = assert(io.open(%q, "a"))
          file:write(package, " ", version, "\n")
          file:flush()
          local function is_held() return package == "shop@web02" and not io.open(%q .. ".go") end
          while is_held() do require "harp".sleep(0.01) end
          if package == "shop@fragile01" and version ~= "1.0" then error "no space left" end
          local state <close> = assert(io.open(%q .. "." .. package, "w"))
          state:write(version)
          return version
        end)]]):format(log, log, log, log)))
    end)

    local function installed(line)
      local output = harness.shell(("cat %s 2>/dev/null"):format(log))
      return select(2, output:gsub(line:gsub("%p", "%%%0") .. "\n", ""))
    end

    it("goes on where it was: each is installed once, and what is undone is what was there before", function()
      local words = "deploy.lua --serial 1 'shop@{host}' 2.0 web01,web02,web03,fragile01,web04"
      local pipe = io.popen(("exec %s sh -c 'echo $$; exec %s scripts/recipes/%s 2>/dev/null'"):format(
        environment, harness.program, words:gsub("'", "")))
      local pid = pipe:read "l"
      harness.eventually(function() return installed "shop@web02 2.0" == 1 end)
      harness.shell("kill -KILL " .. pid)
      pipe:close()
      harness.write(log .. ".go", "")
      local _, errors, status = recipe(words)
      assert.equal(3, status, errors)
      for _, name in ipairs{ "web01", "web02", "web03", "fragile01" } do
        assert.equal(1, installed(("shop@%s 2.0"):format(name)), name)
        assert.equal(1, installed(("shop@%s 1.0"):format(name)), name)
      end
      assert.equal(0, installed "shop@web04 2.0")
      assert.equal(0, installed "shop@web04 1.0")
    end)
  end)

  describe("compare_config", function()
    before_each(function()
      start_stack()
      for i = 1, 4 do write(("web%02d.conf"):format(i), "workers 4\nport 80\n") end
      write("web02.conf", "workers 2\nport 80\n")
    end)

    local function compare(hosts) return recipe(("compare_config.lua '%s/{host}.conf' %s"):format(home, hosts)) end

    it("finds all alike", function()
      local output, errors, status = compare "web01,web03,web04"
      assert.same({ "3 of 3: web[01,03-04]\n", 0 }, { output, status }, errors)
    end)

    it("shows who differs, and how", function()
      local output, _, status = compare "web01,web02,web03,web04"
      assert.equal(1, status)
      assert.equal("3 of 4: web[01,03-04]\n1 of 4: web02\n"
        .. "--- most\n+++ web02\n@@ -1,2 +1,2 @@\n-workers 4\n+workers 2\n port 80\n", output)
    end)

    it("says who did not say", function()
      local output, _, status = compare "web01,web05"
      assert.equal(3, status)
      assert.truthy(output:find "^1 of 2: web01\nweb05: [^\n]*/web05.conf: No such file or directory\n$", output)
    end)
  end)

  describe("follow_log", function()
    before_each(function()
      start_stack()
      for i = 1, 2 do write(("web%02d.log"):format(i), "old\nlast\n") end
    end)

    -- Starts it: its process, and a function that waits for its end: the status.
    local function follow(words, hosts)
      local line = ("scripts/recipes/follow_log.lua --lines 1 %s %s/{host}.log %s"):format(
        words, home, hosts or "web01,web02")
      local pipe = io.popen(("exec %s sh -c 'echo $$; exec %s %s >%s/out 2>%s/err'"):format(
        environment, harness.program, line, home, home))
      local pid = pipe:read "l"
      return pid, function() return select(3, pipe:close()) end
    end

    local function append(name, line) harness.shell(("echo '%s' >>%s/%s.log"):format(line, home, name)) end

    local function await(text)
      harness.eventually(function() return harness.shell("cat " .. home .. "/out"):find(text, 1, true) end)
    end

    local function kill(signal, pid, ended)
      harness.shell(("kill -%s %s"):format(signal, pid))
      return ended()
    end

    it("shows what is there, and what comes, with the host before it", function()
      local pid, ended = follow ""
      await "web01 | last"
      await "web02 | last"
      append("web02", "something new")
      await "web02 | something new\n"
      kill("KILL", pid, ended)
      assert.is_nil(harness.read(home .. "/out"):find("old", 1, true))
    end)

    it("ends well when its time is over", function()
      local _, ended = follow "--minutes 0.01"
      assert.equal(0, ended(), harness.read(home .. "/err"))
    end)

    it("is left by Ctrl-C, and the jobs go on; twice ends them", function()
      local pid, ended = follow ""
      await "web01 | last"
      await "web02 | last"
      assert.equal(130, kill("INT", pid, ended), harness.read(home .. "/err"))
      local jobs = harp_ "jobs --json --state running"
      assert.equal(2, select(2, jobs:gsub("follow_file", "")), jobs)
    end)

    it("says of which hosts the log is not there, or is none, and shows the others", function()
      harness.shell(("rm %s/web02.log; mkdir %s/web03.log"):format(home, home))
      local pid, ended = follow("", "web01,web02,web03")
      await "web01 | last\n"
      await(("web02: exception: no_file: %s/web02.log: No such file or directory"):format(home))
      await "web03: exception: no_file: Is a directory"
      kill("KILL", pid, ended)
    end)

    it("shows what is no UTF-8 all the same", function()
      harness.write(home .. "/web01.log", "caf\xe9\n")
      local pid, ended = follow("", "web01")
      await "web01 | caf?\n"
      kill("KILL", pid, ended)
    end)

    it("goes on with the others when one fails", function()
      local _, errors, status = recipe(("follow_log.lua --minutes 0.02 '%s/{host}.log' web01,web99"):format(home))
      assert.equal(7, status, errors)
    end)
  end)
end)
