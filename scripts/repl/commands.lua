--- The lines that begin with a colon.

local core = require "harp.core"
local run = require "harp.repl.run"
local show = require "harp.repl.show"

local commands = {}

local function complain(text) print(show.paint("failure", text)) end

-- The results of an expression or a chunk, or nil.
local function results_of(session, text)
  local fn, complaint = run.compile(session, text)
  if not fn then return complain(complaint) end
  return run.protected(session, fn)
end

local function keep(results)
  if results.n > 0 then rawset(_G, "_", results[1]) end
end

local function seconds(s)
  if s < 1e-3 then return ("%.0f µs"):format(s * 1e6) end
  if s < 1 then return ("%.3g ms"):format(s * 1e3) end
  return ("%.3g s"):format(s)
end

-- Each returns nil to end the prompt.
local all = {}

function all.quit() return nil end

function all.help(_, about)
  require("harp.repl.help").help(about ~= "" and about or nil)
  return true
end

--- A file as if it had been typed: its locals stay.
function all.load(session, path)
  if path == "" then return complain ":load FILE" or true end
  local file, complaint = io.open(path)
  if not file then return complain(complaint) or true end
  local text = file:read "a"
  file:close()
  if not text then return complain(path .. ": cannot be read") or true end
  if session.frame then session.frame:show(session.scope) end
  local fn
  fn, complaint = session.scope:compile(text:gsub("^#[^\n]*", "", 1), "@" .. path)
  if fn then run.call(session, fn) else complain(complaint) end
  return true
end

function all.time(session, text)
  local start = core.now()
  local results = results_of(session, text)
  local took = core.now() - start
  if results and results.n > 0 then
    keep(results)
    print(show.values(results))
  end
  print(show.paint("faint", seconds(took)))
  return true
end

function all.json(session, text)
  local results = results_of(session, text)
  if not results then return true end
  keep(results)
  for i = 1, results.n do
    local ok, json = pcall(core.encode, results[i] == nil and core.null or results[i])
    if ok then print(json) else print(show.failure(json)) end
  end
  return true
end

--- Runs one; nil when the prompt is to end.
function commands.run(session, text)
  local name, rest = text:match "^:(%a+)%s*(.-)%s*$"
  local command = all[name]
  if not command then
    complain((":%s is no command; :help lists them"):format(name))
    return true
  end
  return command(session, rest)
end

return commands
