--- Arguments as the log may have them: what looks like a secret by its name is
-- blotted out, however deep it is.

local core = require "harp.core"

local BLOT = "***"

local redact

-- A copy of a table; name_of(key) is what a member's value goes by, or nil.
local function copy(t, name_of, secret)
  local result = {}
  for key, v in pairs(t) do
    local name = name_of(key)
    local hidden = name and (secret[name] or core.names_secret(name))
    result[key] = hidden and BLOT or redact(v)
  end
  return core.is_array(t) and core.array(result) or result
end

local NONE = {}
local function no_name() end
local function itself(key) return key end

function redact(v)
  if type(v) ~= "table" then return v end
  return copy(v, core.is_array(v) and no_name or itself, NONE)
end

--- A call's arguments as JSON, positional ones known by their parameter's
-- name: `parameters` is the list, `secret` the set of those that are always
-- hidden; "..." in it stands for all that have no parameter. What is nested
-- deeper than JSON is written here can be called with all the same.
return function(arguments, parameters, secret)
  local name_of = itself
  if core.is_array(arguments) then
    name_of = function(i) return parameters[i] or "..." end
  end
  local ok, text = pcall(core.encode, copy(arguments, name_of, secret or NONE))
  return ok and text or '"nested too deeply"'
end
