--- The simulated procedures of the look-alikes: what harness.daemon offers, as
-- far as a stock system is asked for it.
--
-- `run(call, …)` has call.emit(value, is_last) and call.sleep(seconds).

local json = require "spec.support.json"

local LIST = {
  sum = { params = { "a", "b" }, run = function(_, a, b) return a + b end },
  echo = { params = { "x" }, run = function(_, x) return x end },
  all = { vararg = true, run = function(_, ...) return json.array{ ... } end },
  text = { params = { "size" }, run = function(_, size) return ("x"):rep(size) end },
  sleep = { params = { "seconds" }, run = function(call, seconds) call.sleep(seconds) return "slept" end },
  fail = { params = {}, run = function()
    error{ type = "paper", message = "out of paper", data = { class = "Paper", module = "procedures" } }
  end },
  count = { params = { "n", "seconds" }, least = 1, stream = true, run = function(call, n, seconds)
    for i = 1, n do
      call.emit({ i = i }, i == n)
      if seconds then call.sleep(seconds) end
    end
    return { msg = "end" }
  end },
}

local procedures = {}

local function positional(procedure, arguments)
  if json.is_array(arguments) then return arguments end
  local list, named = {}, 0
  for _ in pairs(arguments) do named = named + 1 end
  for i, name in ipairs(procedure.params or {}) do
    if arguments[name] == nil then break end
    list[i] = arguments[name]
  end
  return #list == named and list
end

local function fits(procedure, list)
  local most = procedure.vararg and math.huge or #procedure.params
  return list and #list <= most and #list >= (procedure.least or procedure.vararg and 0 or most)
end

--- The procedure and its arguments as a list; or nil and an error.
function procedures.find(name, arguments)
  local procedure = LIST[name]
  if not procedure then return nil, { type = "no_such_procedure", message = "no such procedure" } end
  local list = positional(procedure, arguments)
  if not fits(procedure, list) then
    return nil, { type = "invalid_argument_list", message = "invalid argument list" }
  end
  return procedure, list
end

--- Runs it: the members of its outcome, `result` or `exception`.
function procedures.run(procedure, list, call)
  local ok, value = pcall(procedure.run, call, table.unpack(list))
  if ok then return { result = value } end
  if type(value) == "table" then return { exception = value } end
  return { exception = { type = "TypeError", message = value,
    data = { class = "TypeError", module = "exceptions" } } }
end

return procedures
