--- harp version

local core = require "harp.core"

return {
  synopsis = "",
  purpose = "the version",
  run = function()
    print("harp " .. core.version)
  end,
}
