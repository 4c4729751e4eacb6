-- The configuration of whoever uses harp: dispatchers by name, and daemons.

local harness = require "spec.support.harness"
local harp = require "harp"

describe("the configuration", function()
  local daemon, dispatcher, home, system

  setup(function()
    daemon = harness.daemon()
    dispatcher = harness.dispatcher{ daemon = daemon }
  end)
  teardown(harness.clean_up)
  before_each(function()
    home = harness.directory()
    os.execute(("mkdir -p %s/harp"):format(home))
    system = home .. "/system.lua"
  end)

  local function user_file(text)
    local path = harness.write(home .. "/harp/config.lua", text)
    os.execute("chmod 600 " .. path)
    return path
  end

  -- Runs harp with this configuration, and more of the environment.
  local function run(arguments, environment)
    local output, status = harness.shell(
      ("env -u HARP_CALLER -u HARP_USER -u HARP_PASSWORD XDG_CONFIG_HOME=%s HARP_SYSTEM_CONFIG=%s %s %s %s 2>%s/errors")
        :format(home, system, environment or "", harness.program, arguments, home))
    return output, harness.read(home .. "/errors"), status
  end

  local function script(code, environment) return run("-e " .. harness.quote(code), environment) end

  local function sum(code, environment)
    local output, errors = script(
      ("print(require'harp'.caller(%s).localhost.sum(2, 3):get())"):format(code), environment)
    return output == "5\n" or errors
  end

  local function entry() return ("{ host = '127.0.0.1', port = %d }"):format(dispatcher.port) end

  it("names dispatchers, and says which one is meant", function()
    user_file(("caller = 'mine' callers = { mine = %s, other = %q }"):format(entry(), dispatcher.address))
    assert.is_true(sum "")
    assert.is_true(sum "'mine'")
    assert.is_true(sum "'other'")
    assert.is_true(sum "{ host = 'mine', retry_for = 1 }")
    assert.truthy(sum "'127.0.0.1:1'":find "econnrefused")
  end)

  it("can have an address, or a table, as the one that is meant", function()
    user_file(("caller = %q"):format(dispatcher.address))
    assert.is_true(sum "")
    user_file(("caller = %s"):format(entry()))
    assert.is_true(sum "")
  end)

  it("counts less than the script, then the environment, and more than the machine's file", function()
    harness.write(system, ("caller = %q callers = { here = '127.0.0.1:1', there = %q }"):format(
      dispatcher.address, dispatcher.address))
    assert.is_true(sum "")
    assert.truthy(sum "'here'":find "econnrefused")
    user_file(("callers = { here = %q }"):format(dispatcher.address))
    assert.same({ true, true, true }, { sum "", sum "'here'", sum "'there'" })
    user_file "caller = '127.0.0.1:1'"
    assert.truthy(sum "":find "econnrefused")
    assert.is_true(sum("", "HARP_CALLER=" .. dispatcher.address))
    assert.truthy(sum("", "HARP_CALLER="):find "econnrefused: 127.0.0.1:1:")
    user_file(("caller = '127.0.0.1:1' callers = { good = %q }"):format(dispatcher.address))
    assert.is_true(sum("", "HARP_CALLER=good"))
    assert.is_true(sum(("%q"):format(dispatcher.address), "HARP_CALLER=127.0.0.1:1"))
  end)

  it("is for commands, too", function()
    user_file(("callers = { mine = %s }"):format(entry()))
    local output, _, status = run "call --caller mine localhost sum 2 3"
    assert.same({ 5, 0 }, { harp.decode(output).result, status })
  end)

  describe("of daemons", function()
    local function direct(options, environment)
      local output, errors = script(("print(require'harp'.server%s.sum(2, 3))"):format(options), environment)
      return output == "5\n" or errors
    end

    it("has who to be, and how each is trusted", function()
      user_file(([[
        servers = {
          web01 = { host = '127.0.0.1:%d', password = 'secret' },
          ['127.0.0.1'] = { user = 'tester', password = 'secret', pin = %q },
          ['*'] = { user = 'tester', ca_file = %q },
        }]]):format(daemon.port, daemon.pin, daemon.certificate))
      assert.is_true(direct "{ host = 'web01' }")
      assert.is_true(direct(("{ host = '127.0.0.1:%d' }"):format(daemon.port)))
      assert.is_true(direct(("{ host = '127.0.0.1', port = %d }"):format(daemon.port)))
      assert.is_true(direct(("{ host = 'web01', pin = %q }"):format(daemon.pin)))
      assert.truthy(direct "{ host = 'web01', password = 'other' }":find "auth_error")
    end)

    it("gives a password to its user alone, and less than the environment's", function()
      user_file(("servers = { ['*'] = { user = 'tester', password = 'secret', pin = %q } }"):format(daemon.pin))
      local here = ("host = '127.0.0.1:%d'"):format(daemon.port)
      assert.is_true(direct("{ " .. here .. "}"))
      assert.is_true(direct("{ " .. here .. "}", "HARP_USER=tester"))
      assert.truthy(direct("{ " .. here .. "}", "HARP_USER=other"):find "no user or password")
      assert.truthy(direct("{ " .. here .. ", user = 'other' }"):find "no user or password")
      assert.truthy(direct("{ " .. here .. "}", "HARP_PASSWORD=wrong"):find "auth_error")
    end)
  end)

  it("is wrong with a word, and the name of the file", function()
    local function complaint(text)
      user_file(text)
      local _, errors, status = script "require'harp'.caller()"
      assert.is_true(status > 0)
      assert.truthy(errors:find("config.lua", 1, true), errors)
      return errors
    end
    assert.truthy(complaint "caler = 'x'":find "caler: nobody knows this setting")
    assert.truthy(complaint "caller = 1":find "caller: must be")
    assert.truthy(complaint "callers = 'x'":find "callers: must be a table")
    assert.truthy(complaint "callers = { a = 1 }":find "callers.a: must be")
    assert.truthy(complaint "servers = { a = 'x' }":find "servers.a: must be")
    assert.truthy(complaint "\n\ncaller = ":find "config.lua:3:")
    assert.truthy(complaint "\nerror 'no'":find "config.lua:2: no")
    os.remove(home .. "/harp/config.lua")
    os.execute(("mkdir %s/harp/config.lua"):format(home))
    local _, errors = script "require'harp'.caller()"
    assert.truthy(errors:find "cannot read the configuration")
  end)

  it("with a password that others can read is warned of, once", function()
    local path = user_file(("callers = { a = { host = %q, user = 'u', password = 'p' } }"):format(dispatcher.address))
    assert.equal("", (select(2, script "require'harp'.caller 'x'")))
    os.execute("chmod 644 " .. path)
    local _, errors = script "require'harp'.caller 'x' require'harp'.caller 'y'"
    assert.equal(("harp: %s has a password, and others may read it: chmod 600 %s\n"):format(path, path), errors)
  end)

  it("is shown by harp config, without its passwords", function()
    local path = user_file [[
      caller = 'prod'
      callers = {
        prod = { host = 'd', tls = true, user = 'me', password = 'hush', proxy = 'socks5h://me:hush@gate:1080' },
      }]]
    harness.write(system, "servers = { web01 = { user = 'me', password = 'hush' } } caller = 'other'")
    os.execute("chmod 600 " .. system)
    local output, errors, status = run("config --json", "HARP_PASSWORD=hush HARP_USER=me")
    assert.same({ "", 0 }, { errors, status })
    assert.is_nil(output:find("hush", 1, true))
    local rows = {}
    for line in output:gmatch "[^\n]+" do
      local row = harp.decode(line)
      rows[row.setting] = row
    end
    assert.same({ "prod", path }, { rows.caller.value, rows.caller.from })
    assert.same({ host = "d", tls = true, user = "me", password = "***", proxy = "socks5h://me:***@gate:1080" },
      rows["callers.prod"].value)
    assert.same({ setting = "servers.web01", value = { user = "me", password = "***" }, from = system },
      rows["servers.web01"])
    assert.same({ "me", "***" }, { rows.HARP_USER.value, rows.HARP_PASSWORD.value })
    assert.same({ value = "here:1", setting = "caller", from = "environment, HARP_CALLER" },
      harp.decode(run("config --json", "HARP_CALLER=here:1"):match "[^\n]+"))
  end)

  it("is nothing that a script without peers looks at", function()
    user_file "nonsense"
    assert.same({ "1\n", "", 0 }, { script "require 'harp' print(1)" })
  end)
end)
