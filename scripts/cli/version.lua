--- harp version

local core = require "harp.core"
local output = require "harp.cli.output"

return {
  synopsis = "[--json]",
  purpose = "the version, and those of the libraries",
  examples = { { "harp version --json", "the same for programs" } },
  define = function(parser)
    parser:flag "--json":description "As one JSON object: name → version, null where a library is missing."
  end,
  run = function(options)
    local libraries = require "harp.cli.libraries"
    if options.json then
      local all = { { "harp", core.version } }
      for _, library in ipairs(libraries) do all[#all + 1] = { library[1], library[2] or core.null } end
      return output.line(require "harp.cli.show".record(all))
    end
    output.line("harp " .. core.version)
    for _, library in ipairs(libraries) do output.line(library[1] .. " " .. (library[2] or "is not installed")) end
  end,
}
