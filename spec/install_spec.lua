-- What `make install` leaves, as systemd would use it.

local harness = require "spec.support.harness"

describe("make install", function()
  local prefix = harness.directory()
  local units = prefix .. "/lib/systemd/system/"

  setup(function()
    local output, status = harness.shell(("make -o all install BUILD=%s PREFIX=%s 2>&1"):format(
      os.getenv "HARP_BUILD", prefix))
    assert.equal(0, status, output)
  end)

  teardown(harness.clean_up)

  local function list(name, setting)
    local values = {}
    for value in harness.read(units .. name):gmatch("\n" .. setting .. "=([^\n]*)") do values[#values + 1] = value end
    return values
  end

  it("fills in where everything is", function()
    assert.equal("", (harness.shell("grep -r @PREFIX@ " .. units)))
    for _, name in ipairs{ "daemon", "dispatcher" } do
      local program, rest = list(("harp-%s.service"):format(name), "ExecStart")[1]:match "^(%S+) (.+)$"
      assert.equal(prefix .. "/bin/harp", program)
      assert.equal(("%s --config /etc/harp/%s.lua"):format(name, name), rest)
      local output, status = harness.shell(("%s %s --help"):format(program, name))
      assert.equal(0, status)
      assert.truthy(output:find(("Usage: harp %s --config FILE"):format(name), 1, true))
    end
  end)

  it("has the manual and completion where they are looked for", function()
    for _, path in ipairs{ "man/man1/harp.1", "man/man1/harp-run.1", "man/man1/harp-daemon.1" } do
      assert.truthy(harness.read(prefix .. "/share/" .. path):find "^%.TH HARP")
    end
    local bash = harness.read(prefix .. "/share/bash-completion/completions/harp")
    assert.truthy(bash:find("complete -F _harp harp", 1, true))
    assert.truthy(harness.read(prefix .. "/share/zsh/site-functions/_harp"):find "^#compdef harp\n")
  end)

  it("has services that systemd is told about, and that are reloaded by a signal", function()
    for _, name in ipairs{ "harp-daemon.service", "harp-dispatcher.service" } do
      assert.same({ "notify" }, list(name, "Type"))
      assert.same({ "mixed" }, list(name, "KillMode"))
      assert.same({ "continue" }, list(name, "OOMPolicy"))
      local reloads = list(name, "ExecReload")
      assert.equal("/bin/kill -HUP $MAINPID", reloads[#reloads])
    end
  end)

  it("has units that systemd understands", function()
    if select(2, harness.shell "command -v systemd-analyze") ~= 0 then
      return pending "systemd-analyze is not here"
    end
    for _, name in ipairs{ "harp-daemon.service", "harp-daemon.socket", "harp-dispatcher.service" } do
      local output, status = harness.shell(("systemd-analyze verify --man=no --recursive-errors=no %s%s 2>&1"):format(
        units, name))
      assert.same({ "", 0 }, { output, status })
    end
  end)
end)
