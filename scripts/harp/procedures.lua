--- What a daemon offers: procedures and streams, registered by files of Lua.
--
--     procedure("sum", function(a, b) return a + b end)
--     stream("count", { doc = "Counts to n." }, function(n)
--       for i = 1, n do coroutine.yield(i) end
--       return { msg = "end" }
--     end)

local core = require "harp.core"
local command = require "harp.command"

local registry = {}             -- name → {fn, stream, parameters, vararg, source}

local OPTIONS = { doc = "string" }

local function check_options(name, options)
  for option, v in pairs(options) do
    if not OPTIONS[option] then
      error(("procedure %q has no option %q"):format(name, tostring(option)), 4)
    elseif type(v) ~= OPTIONS[option] then
      error(("procedure %q: %s must be a %s"):format(name, option, OPTIONS[option]), 4)
    end
  end
end

local function register(name, options, fn, streams, source)
  if fn == nil then options, fn = {}, options end
  if type(name) ~= "string" or type(options) ~= "table" or type(fn) ~= "function" then
    error("a procedure is registered by its name, options if any, and a function", 3)
  end
  check_options(name, options)
  if registry[name] then
    error(("procedure %q of %s was registered before, in %s"):format(name, source, registry[name].source), 3)
  end
  local info = debug.getinfo(fn, "u")
  local parameters = {}
  for i = 1, info.nparams do parameters[i] = debug.getlocal(fn, i) end
  registry[name] = {
    fn = fn, stream = streams, parameters = parameters, vararg = info.isvararg, doc = options.doc, source = source,
  }
end

local function register_command(name, options, argv, source)
  if argv == nil then options, argv = {}, options end
  if type(name) ~= "string" or type(options) ~= "table" or type(argv) ~= "table" then
    error("a command is registered by its name, options if any, and a list of words", 3)
  end
  local ok, fn, parameters, others, refusal = pcall(command.make, argv, options)
  if not ok then error(("procedure %q: %s"):format(name, fn), 3) end
  register(name, others, fn, true, source)
  registry[name].parameters, registry[name].vararg = parameters, false
  registry[name].refusal = refusal
end

-- Ending the process would leave the caller without an answer.
local files_os = setmetatable({
  exit = function() error("a procedure cannot end its process: return, or raise an error", 2) end,
}, { __index = os })

--- Runs a file of procedures; its globals are its own. Raises what is wrong.
local function load_file(path)
  local environment = setmetatable({
    os = files_os,
    procedure = function(name, options, fn) register(name, options, fn, false, path) end,
    stream = function(name, options, fn) register(name, options, fn, true, path) end,
    command = function(name, options, argv) register_command(name, options, argv, path) end,
    arg = command.arg,
  }, { __index = _G })
  local chunk, reason = loadfile(path, "t", environment)
  if not chunk then error(reason, 0) end
  chunk()
end

local function signature(name, procedure)
  local list = table.move(procedure.parameters, 1, #procedure.parameters, 1, {})
  if procedure.vararg then list[#list + 1] = "..." end
  return ("%s(%s)"):format(name, table.concat(list, ", "))
end

-- Arguments in the order of the parameters; nil and a message if they do not
-- fit. The missing are nil, as in any call of Lua.
local function match(name, procedure, arguments)
  local count = #procedure.parameters
  if core.is_array(arguments) then
    if #arguments > count and not procedure.vararg then
      return nil, ("%s takes %d argument%s, got %d"):format(
        signature(name, procedure), count, count == 1 and "" or "s", #arguments)
    end
    return arguments, #arguments
  end
  local position = {}
  for i, parameter in ipairs(procedure.parameters) do position[parameter] = i end
  local list = {}
  for parameter, v in pairs(arguments) do
    if not position[parameter] then
      return nil, ("%s has no parameter %q"):format(signature(name, procedure), parameter)
    end
    list[position[parameter]] = v
  end
  return list, count
end

-- What a raised value becomes: {type, message, data} with the traceback.
local function exception(raised, thread)
  local traceback = debug.traceback(thread)
  if type(raised) ~= "table" then
    return { type = "LuaError", message = tostring(raised), data = { traceback = traceback } }
  end
  local data = raised.data
  if data == nil then
    data = { traceback = traceback }
  elseif type(data) == "table" and not core.is_array(data) and data.traceback == nil then
    local copy = { traceback = traceback }
    for k, v in pairs(data) do copy[k] = v end
    data = copy
  end
  return {
    type = type(raised.type) == "string" and raised.type or "LuaError",
    message = type(raised.message) == "string" and raised.message or tostring(raised),
    data = data,
  }
end

-- Text that JSON can carry, whatever bytes a procedure raised.
local function readable(text)
  return utf8.len(text) and text or (text:gsub("[\128-\255]", "?"))
end

-- Sends a value as `kind`; false, after an error in its place, when JSON
-- cannot carry it.
local function send_value(send, kind, v)
  if v == nil then v = core.null end
  local ok, text = pcall(core.encode, v)
  if ok then
    send(kind, text)
  else
    send("error", "invalid_message", readable(text.message or tostring(text)))
  end
  return ok
end

local function send_exception(send, raised, thread)
  local shown = exception(raised, thread)
  shown.type, shown.message = readable(shown.type), readable(shown.message)
  if not pcall(core.encode, shown.data) then
    shown.data = { traceback = readable(debug.traceback(thread)) }
  end
  send_value(send, "exception", shown)
end

-- Resumes the procedure until it ends; each value that it yields is a packet.
local function run(procedure, arguments, count, send)
  local thread = coroutine.create(procedure.fn)
  local results = table.pack(coroutine.resume(thread, table.unpack(arguments, 1, count)))
  while results[1] and coroutine.status(thread) ~= "dead" do
    if not procedure.stream then
      return send("error", "invalid_message", "the procedure yielded, but is not registered as a stream")
    elseif results.n > 2 then
      return send("error", "invalid_message", ("a packet is one value, not %d"):format(results.n - 1))
    elseif not send_value(send, "packet", results[2]) then
      return
    end
    results = table.pack(coroutine.resume(thread))
  end
  if not results[1] then
    send_exception(send, results[2], thread)
  else
    send_value(send, "result", results[2])
  end
end

--- Answers one call: `send(kind, ...)` takes ("accepted", streams),
-- ("packet" | "result" | "exception", json) and ("error", type, message).
local function call(name, arguments, send)
  local procedure = registry[name]
  if not procedure then
    return send("error", "no_such_procedure", ("there is no procedure %q"):format(name))
  end
  local ok, decoded = pcall(core.decode, arguments)
  if not ok then return send("error", "invalid_argument_list", decoded.message) end
  local list, count = match(name, procedure, decoded)
  if not list then return send("error", "invalid_argument_list", count) end
  local refused = procedure.refusal and procedure.refusal(table.unpack(list, 1, count))
  if refused then return send("error", "invalid_argument_list", refused) end
  send("accepted", procedure.stream)
  run(procedure, list, count, send)
end

return { load_file = load_file, call = call }
