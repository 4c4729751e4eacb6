-- Callers who never finish, and those who have work to do (more of them, and
-- for longer: make soak).

local harness = require "spec.support.harness"
local siege = require "spec.support.siege"

describe("300 callers who never finish", function()
  teardown(harness.clean_up)

  it("do not double the time of another's call, and leave nothing behind", function()
    local daemon = harness.daemon()
    local descriptors = daemon:descriptors()
    local good, least = harness.is_below(2, function()
      local during, without = siege.cost(daemon, 300, 51)
      return during / without
    end)
    assert.is_true(good, ("a call takes %.2f times as long"):format(least))
    harness.eventually(function() return daemon:descriptors() <= descriptors end)
    assert.equal(0, daemon:stop())
  end)
end)
