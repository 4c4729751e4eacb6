-- What a start loads, and what is loaded when it is needed.

local harness = require "spec.support.harness"

describe("libraries that take long to load", function()
  local directory

  setup(function()
    directory = harness.directory()
    for _, name in ipairs{ "libcurl.so.4", "libssl.so.3" } do harness.write(directory .. "/" .. name, "broken") end
  end)

  teardown(harness.clean_up)

  -- Runs harp where the libraries cannot be loaded.
  local function run(arguments)
    local errors = directory .. "/errors"
    local output, status = harness.shell(("LD_LIBRARY_PATH=%s %s %s 2>%s"):format(
      directory, harness.program, arguments, errors))
    return output, harness.read(errors), status
  end

  it("are not, in a run without a connection", function()
    local output, errors, status = run [[-e 'print(require "harp".encode{ 1 })
      for line in io.lines "/proc/self/maps" do
        for _, name in ipairs{ "libcurl", "libssl", "libedit" } do assert(not line:find(name), name) end
      end']]
    assert.equal("", errors)
    assert.equal("[1]\n", output)
    assert.equal(0, status)
  end)

  it("are a clear error when they are missing: libcurl", function()
    local output, _, status = run [[-e 'local harp = require "harp"
      local caller = harp.caller "127.0.0.1:1"
      for _, failure in ipairs(harp.map({ 1, 2, 3 }, function()
        return select(2, pcall(caller.request, caller, { get_status = "x" }))
      end)) do print(failure) end']]
    assert.equal(("CommunicationError (network_error): 127.0.0.1:1: " .. directory
      .. "/libcurl.so.4: file too short\n"):rep(3), output)
    assert.equal(0, status)
  end)

  it("are a clear error when they are missing: OpenSSL", function()
    local _, errors, status = run "--local -e 'print(1)'"
    assert.truthy(errors:find("libssl.so.3: file too short", 1, true), errors)
    assert.equal(1, status)
    local config = harness.write(directory .. "/daemon.lua", ([[
      listen = "127.0.0.1:0" certificate = "c" key = "k" procedures = { %q } users = { tester = "secret" }]]):format(
      harness.write(directory .. "/procedures.lua", "")))
    _, errors, status = run("daemon --config " .. config)
    assert.truthy(errors:find("libssl.so.3: file too short", 1, true), errors)
    assert.equal(1, status)
  end)
end)
