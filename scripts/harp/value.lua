--- The values with a meaning of their own, and the errors of the far side.

local core = require "harp.core"

local value = {}

local function constant(name)
  return setmetatable({}, { __name = name, __tostring = function() return "harp." .. name end })
end

--- What `job:result()` returns when the job has not ended.
value.CALL_NOT_FINISHED = constant "CALL_NOT_FINISHED"

--- What `job:result()` returns when the job was cancelled.
value.CALL_CANCELLED = constant "CALL_CANCELLED"

--- The last item of a server's stream: `value` is what the procedure returned.
local Result = { __name = "harp.Result" }

function Result:__tostring()
  return "harp.Result(" .. core.encode(self.value) .. ")"
end

value.Result = setmetatable(Result, {
  __call = function(_, v) return setmetatable({ value = v }, Result) end,
})

--- Is `v` a `harp.Result`?
function value.is_result(v)
  return getmetatable(v) == Result
end

--- Is `v` an object of that name, such as "harp.job"?
function value.is_a(v, name)
  local metatable = type(v) == "table" and getmetatable(v)
  return type(metatable) == "table" and metatable.__name == name
end

local Named = { __name = "harp.named" }

--- Marks a table as the named arguments of a call: `host.f(harp.named{a = 1})`.
function value.named(arguments)
  if type(arguments) ~= "table" then
    error("harp.named takes a table of arguments by name, not a " .. type(arguments), 2)
  end
  return setmetatable(arguments, Named)
end

--- A call's arguments as JSON has them: an array, or one table of names.
-- nil stands for null. Named and positional ones mixed are an error.
function value.arguments(...)
  local arguments = table.pack(...)
  for i = 1, arguments.n do
    if arguments[i] == nil then
      arguments[i] = core.null
    elseif getmetatable(arguments[i]) == Named then
      if arguments.n > 1 then
        error("named and positional arguments cannot be mixed: harp.named{...} must be the only one", 3)
      end
      return arguments[i]
    end
  end
  arguments.n = nil
  return core.array(arguments)
end

--- Refuses options that are not in `known`, a set; `what` is whose they are.
function value.check_options(options, known, what, level)
  for name in pairs(options) do
    if not known[name] then
      error(("%s has no option %q"):format(what, tostring(name)), level or 3)
    end
  end
end

--- Refuses a retry_for that is none.
function value.check_retry_for(options, level)
  local seconds = options.retry_for
  if seconds ~= nil and not (type(seconds) == "number" and seconds >= 0) then
    error("retry_for must be a number of seconds, or 0", level)
  end
end

-- The errors that a dispatcher answers when the request itself was at fault;
-- any other is the job's own outcome.
local REQUEST_ERRORS = { invalid_jobid = true, invalid_request = true, parse_error = true }

--- Is that what an error of the dispatcher says?
function value.is_request_error(failure)
  return REQUEST_ERRORS[failure.type] or false
end

--- The item of a list without the nulls that stand for what it has not.
function value.without_nulls(t)
  for name, v in pairs(t) do
    if v == core.null then
      t[name] = nil
    elseif type(v) == "table" and name == "time" then
      value.without_nulls(v)
    end
  end
  return t
end

--- An error that the far side sent: `failure` has type, message and data.
function value.remote_error(kind, failure, job)
  return core.error{
    kind = kind, type = failure.type, message = failure.message, data = failure.data, job = job,
  }
end

return value
