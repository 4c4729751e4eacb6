--- help(x): of functions of harp, of objects, and of procedures, whose daemons
-- are asked.

local ask = require "harp.repl.ask"
local core = require "harp.core"
local reference = require "harp.repl.reference"
local show = require "harp.repl.show"

local help = {}

local OVERVIEW = [[
An expression prints its values; the first one is kept in _. Locals last.

  rpc.NAME                     a host of the default caller; rpc("NAME") too
  rpc.NAME.PROCEDURE(…)        submits a call, returns its job
  job:get()                    waits for its value
  for msg in job:follow() do print(harp.encode(msg)) end
  harp.spawn(function() … end) goes on while you type

  :load FILE     runs a file; its locals stay    :time EXPR   and how long it took
  :json EXPR     its values as JSON              :help X      as help(X)
  :quit          as Ctrl-D

Tab completes names, hosts and procedures; twice lists them. Ctrl-C stops what
runs, and leaves jobs alone. Ctrl-R searches what was typed before.
help(x) tells of a function, a job, a host, a procedure; help "harp" of them all.]]

local function entry_text(name)
  local page, entry = require "harp.cli.page", reference[name]
  local width = page.width()
  return show.paint("strong", page.wrap(entry[1], width, 4, 0)) .. "\n  " .. page.wrap(entry[2], width, 2)
end

-- ---- which entry ----

-- The functions of a table, by their names in the reference.
local function note(index, prefix, t)
  for name, v in pairs(t) do
    if reference[prefix .. name] and v ~= nil then index[v] = prefix .. name end
  end
end

-- Values → names in the reference.
local function make_index()
  local index, harp = {}, require "harp"
  note(index, "harp.", harp)
  note(index, "rpc:", getmetatable(harp.caller "localhost:1").methods)
  note(index, "job:", getmetatable(require "harp.job"({}, "")).__index)
  note(index, "stream:", getmetatable(require "harp.stream"(print, print)).__index)
  return index
end

local index

local PREFIXES = { "harp.", "rpc:", "host:", "job:", "task:", "stream:", "exec:" }

local function named(name)
  if reference[name] then return name end
  for _, prefix in ipairs(PREFIXES) do
    if reference[prefix .. name] then return prefix .. name end
  end
end

-- ---- objects ----

local function list_of(prefix)
  local names = {}
  for name in pairs(reference) do
    if name:sub(1, #prefix) == prefix then names[#names + 1] = name end
  end
  table.sort(names)
  for i, name in ipairs(names) do names[i] = entry_text(name) end
  return table.concat(names, "\n")
end

local NO_ANSWER = "its daemon does not tell of its procedures, or cannot be reached"

local function procedures_text(what, procedures)
  if not procedures then return ("%s\n  %s"):format(what, NO_ANSWER) end
  local lines = { what }
  for _, procedure in ipairs(procedures) do
    local doc = procedure.doc and "  " .. show.paint("faint", procedure.doc:match "[^\n]*") or ""
    lines[#lines + 1] = "  " .. ask.signature(procedure) .. doc
  end
  return table.concat(lines, "\n")
end

local function procedure_text(name, procedures, of)
  if not procedures then return ("%s of %s\n  %s"):format(name, of, NO_ANSWER) end
  for _, procedure in ipairs(procedures) do
    if procedure.name == name then
      local kind = procedure.stream and "a stream of " or "a procedure of "
      local doc = procedure.doc and "\n  " .. procedure.doc:gsub("\n", "\n  ") or ""
      return show.paint("strong", ask.signature(procedure)) .. "  " .. kind .. of .. doc
    end
  end
  return ("%s has no procedure %q; help of the host lists them"):format(of, name)
end

local PATIENCE = 5              -- seconds

local CLASSES = {}
CLASSES["harp.caller"] = function(caller) return ("%s\n%s"):format(tostring(caller), list_of "rpc:") end
CLASSES["harp.job"] = function(job) return ("%s\n%s"):format(tostring(job), list_of "job:") end
CLASSES["harp.stream"] = function() return list_of "stream:" end
CLASSES["harp.exec"] = function() return list_of "exec:" end
CLASSES["harp.task"] = function(task) return ("%s\n%s"):format(tostring(task), list_of "task:") end
CLASSES["harp.host"] = function(host) return procedures_text(tostring(host), ask.procedures(host, PATIENCE)) end
CLASSES["harp.server"] = function(server)
  return procedures_text(tostring(server), ask.server_procedures(server, PATIENCE))
end

local function function_text(fn)
  local name, host = show.procedure(fn)
  if name then return procedure_text(name, ask.procedures(host, PATIENCE), tostring(host)) end
  local about = debug.getinfo(fn, "S")
  local doc = about.source:sub(1, 1) == "@"
    and require("harp.introspection").comment_above(about.source:sub(2), about.linedefined)
  return show.text(fn) .. (doc and "\n  " .. doc:gsub("\n", "\n  ") or "")
end

-- The text of a word: a name of the reference, or an expression.
local function word_text(word)
  if word == "harp" then return list_of "harp." end
  local name = named(word)
  if name then return entry_text(name) end
  local fn = load("return " .. word, "=help", "t")
  local ok, v = pcall(fn or error)
  if ok and v ~= nil and v ~= word then return help.text(v) end
  return ("no help on %q; help() says what there is"):format(word)
end

--- What help prints of a value; of a string, of what is called so.
function help.text(v)
  if v == nil then return OVERVIEW end
  if type(v) == "string" then return word_text(v) end
  index = index or make_index()
  if index[v] then return entry_text(index[v]) end
  if v == require "harp" then return list_of "harp." end
  local describe = CLASSES[show.class_of(v)]
  if describe then return describe(v) end
  if core.is_error(v) then return ("%s: %s"):format(v.kind, require("harp.outcome").line(v)) end
  if type(v) == "function" then return function_text(v) end
  return show.text(v)
end

--- help(x), at the prompt.
function help.help(v)
  print(help.text(v))
end

return help
