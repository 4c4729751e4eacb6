--- What a daemon offers: procedures and streams, registered by files of Lua.
--
--     procedure("sum", function(a, b) return a + b end)
--     stream("count", { doc = "Counts to n." }, function(n)
--       for i = 1, n do coroutine.yield(i) end
--       return { msg = "end" }
--     end)
--     command("disk_usage", { timeout = 10 }, { "df", "-P", arg "path" })
--
-- scripts/procedures/README.md says all of it to those who write such files.

local core = require "harp.core"
local calls = require "harp.call"
local command = require "harp.command"
local introspection = require "harp.introspection"
local apply_options = require "harp.procedure_options"
local redacted = require "harp.redaction"
local running = require "harp.running"

-- Modules are not looked for in the directory that the daemon was started in.
package.path, package.cpath = package.path:gsub("%./%?[^;]*;?", ""), package.cpath:gsub("%./%?[^;]*;?", "")

-- name → {name, fn, stream, parameters, vararg, refusal, source}, and what
-- harp.procedure_options fills in: {terms, doc, users, secret}
local registry = {}

-- ---- registration ----

-- Where a file registers something, as "file:line", and the comment above.
-- The file called what called what called this.
local function place()
  local info = debug.getinfo(4, "Sl")
  local path, line = info.source:match "^@(.+)", info.currentline
  local comment = path and introspection.comment_above(path, line)
  return ("%s:%d"):format(path or info.short_src, line), comment and running.readable(comment)
end

local function check_name(name)
  if name == "" or name:find("\0", 1, true) or not utf8.len(name) then
    error("no caller could say this name", 0)
  elseif name:find "^harp%." then
    error('names that begin with "harp." are harp\'s own', 0)
  elseif registry[name] then
    error("it was registered before, in " .. registry[name].source, 0)
  end
end

-- What there is to register, and how it becomes a procedure: `make(target,
-- options)` → fn, parameters, whether it takes any number more, the options
-- that are every procedure's, and what refuses arguments, if anything does.
-- Raises a string.

local FUNCTION = { type = "function", said = "a function" }

function FUNCTION.make(fn, options)
  local info, parameters = debug.getinfo(fn, "u"), {}
  for i = 1, info.nparams do parameters[i] = debug.getlocal(fn, i) end
  return fn, parameters, info.isvararg, options
end

local COMMAND = { type = "table", said = "a list of words" }

function COMMAND.make(argv, options)
  local fn, parameters, others, refusal = command.make(argv, options)
  return fn, parameters, false, others, refusal
end

-- Raises a string that names the place, the procedure and what is wrong.
local function register(kind, streams, name, options, target)
  local source, comment = place()
  if target == nil then options, target = {}, options end
  if type(name) ~= "string" or type(options) ~= "table" or type(target) ~= kind.type then
    error(("%s: a procedure is registered by its name, options if any, and %s"):format(source, kind.said), 0)
  end
  local procedure = { name = name, stream = streams, source = source, doc = comment }
  local ok, reason = pcall(function()
    local others
    check_name(name)
    procedure.fn, procedure.parameters, procedure.vararg, others, procedure.refusal = kind.make(target, options)
    apply_options(procedure, others)
  end)
  if not ok then error(("%s: procedure %q: %s"):format(source, name, reason), 0) end
  registry[name] = procedure
end

-- ---- files ----

-- Ending the process would leave the caller without an answer.
local files_os = setmetatable({
  exit = function() error("a procedure cannot end its process: return, or raise an error", 2) end,
}, { __index = os })

-- What a file sees besides Lua's own.
local OFFERED = {
  os = files_os,
  arg = command.arg,
  procedure = function(...) register(FUNCTION, false, ...) end,
  stream = function(...) register(FUNCTION, true, ...) end,
  command = function(...) register(COMMAND, true, ...) end,
}

--- Runs a file of procedures; its globals are its own. Raises what is wrong.
local function load_file(path)
  local environment = setmetatable({}, { __index = _G })
  for name, v in pairs(OFFERED) do environment[name] = v end
  local chunk, reason = loadfile(path, "t", environment)
  if not chunk then error(reason, 0) end
  chunk()
end

-- ---- calls ----

local function may_call(user, procedure)
  return not procedure.users or procedure.users[user] or false
end

-- What daemons offer themselves; told by no list.
local BUILT_IN = {
  [introspection.PROCEDURE] = {
    stream = false, parameters = {}, vararg = false, terms = {},
    fn = function()
      local user = calls.info().user
      return introspection.list(registry, function(procedure) return may_call(user, procedure) end)
    end,
  },
}

local function signature(name, procedure)
  local list = table.move(procedure.parameters, 1, #procedure.parameters, 1, {})
  if procedure.vararg then list[#list + 1] = "..." end
  return ("%s(%s)"):format(name, table.concat(list, ", "))
end

-- Arguments in the order of the parameters, and how many; nil and a message
-- if they do not fit. The missing are nil, as in any call of Lua.
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

-- The procedure that a user calls; or nil, a type of error and a message.
local function find(name, user)
  local procedure = registry[name] or BUILT_IN[name]
  if not procedure then
    return nil, "no_such_procedure", ("there is no procedure %q"):format(name)
  elseif not may_call(user, procedure) then
    return nil, "auth_error", ("user %q may not call %q"):format(user, name)
  end
  return procedure
end

-- What JSON text has as arguments: decoded, as a list, and how many; or nil
-- and why the procedure does not take them.
local function read_arguments(name, procedure, text)
  local ok, decoded = pcall(core.decode, text)
  if not ok then return nil, decoded.message end
  local list, count = match(name, procedure, decoded)
  if not list then return nil, count end
  local refused = procedure.refusal and procedure.refusal(table.unpack(list, 1, count))
  if refused then return nil, refused end
  return decoded, list, count
end

--- Answers one call. `arguments` is JSON text; `info` says who calls, and
-- whether the log wants the arguments: {user=, address=, logs_arguments=};
-- `begin(terms)` makes the process what the procedure asks for: true, or nil,
-- a type of error and a message, and then nothing may run. `send` is that of
-- harp.running, and takes ("accepted", streams) too.
local function call(name, arguments, info, send, begin)
  local procedure, kind, message = find(name, info.user)
  if not procedure then return send("error", kind, message) end
  local decoded, list, count = read_arguments(name, procedure, arguments)
  if not decoded then return send("error", "invalid_argument_list", list) end
  local terms = procedure.terms           -- of this process, which serves one call
  local ready
  if info.logs_arguments then terms.log = redacted(decoded, procedure.parameters, procedure.secret) end
  ready, kind, message = begin(terms)
  if not ready then return send("error", kind, message) end
  calls.begin{ user = info.user, address = info.address, procedure = name }
  send("accepted", procedure.stream)
  running.run(procedure, list, count, send)
end

return { load_file = load_file, call = call }
