--- The module `harp`: what `require "harp"` gives. What many scripts do without
-- is loaded when it is called.

local core = require "harp.core"
local value = require "harp.value"
local tasks = require "harp.tasks"

return {
  -- values (JSON ⇄ Lua without loss)
  null = core.null,
  array = core.array,
  is_array = core.is_array,
  named = value.named,
  encode = core.encode,
  decode = core.decode,

  -- what a job or a server can answer besides a value
  CALL_NOT_FINISHED = value.CALL_NOT_FINISHED,
  CALL_CANCELLED = value.CALL_CANCELLED,
  Result = value.Result,
  is_result = value.is_result,
  is_error = core.is_error,

  -- tasks
  spawn = core.spawn,
  sleep = core.sleep,
  run = core.run,
  map = tasks.map,
  all = tasks.all,
  any = tasks.any,
  timeout = tasks.timeout,

  -- what a script is called with, and what it says
  args = function(...) return require "harp.args"(...) end,
  log = require "harp.log",

  -- commands of this machine
  exec = function(...) return require "harp.exec"(...) end,

  -- inside a procedure
  call_info = require("harp.call").info,

  -- a prompt in the function that calls it
  repl = function() return require("harp.repl.main").here() end,

  -- peers
  caller = require "harp.caller",
  server = require "harp.server",
}
