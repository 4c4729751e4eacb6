--- What a daemon tells of its procedures (protocol §4).

local core = require "harp.core"

local introspection = {}

--- The name by which a daemon is asked for it.
introspection.PROCEDURE = "harp.procedures"

--- The comment that ends on the line above `line` of a file, without its
-- dashes; nil when there is none, or no such file.
function introspection.comment_above(path, line)
  local file <close> = io.open(path)
  local block = {}
  if not file then return nil end
  for _ = 1, line - 1 do
    local comment = (file:read "l" or ""):match "^%s*%-%-+%s?(.-)%s*$"
    if comment then
      block[#block + 1] = comment
    elseif block[1] then
      block = {}
    end
  end
  return block[1] and table.concat(block, "\n")
end

-- The doc is absent when there is none.
local function describe(procedure)
  return {
    name = procedure.name, params = core.array(table.move(procedure.parameters, 1, #procedure.parameters, 1, {})),
    vararg = procedure.vararg, stream = procedure.stream, doc = procedure.doc,
  }
end

--- Those of a registry (name → procedure) that are `visible(procedure)`, in
-- the order of their names: an array of {name, params, vararg, stream, doc}.
function introspection.list(registry, visible)
  local list = {}
  for _, procedure in pairs(registry) do
    if visible(procedure) then list[#list + 1] = describe(procedure) end
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return core.array(list)
end

return introspection
