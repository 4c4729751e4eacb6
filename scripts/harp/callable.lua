--- Objects whose fields are procedures:
--
--     object.NAME(…)  object:NAME(…)          call a procedure
--     object:procedure("any.name")(…)         for names that clash or are not Lua's

local value = require "harp.value"

--- Gives a class these fields. `call(object, name, arguments)` calls a procedure,
-- with arguments as JSON has them; `refusal` is what setting a field raises, with
-- a %q for its name.
return function(class, call, refusal)
  local function by_name(object, name)
    if type(name) ~= "string" then error("a procedure's name is a string", 2) end
    return function(...)
      if rawequal((...), object) then return call(object, name, value.arguments(select(2, ...))) end
      return call(object, name, value.arguments(...))
    end
  end

  function class.__index(object, name)
    if name == "procedure" then return by_name end
    return by_name(object, name)
  end

  function class.__newindex(_, name) error(refusal:format(tostring(name)), 2) end
end
