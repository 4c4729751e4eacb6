--- The variables of a prompt: locals that last from line to line, shared with
-- the functions that use them, as they are in one chunk.
--
-- A variable is kept as an upvalue of some function, its home. A chunk is
-- compiled inside of a function that declares those of them that occur in it,
-- and they are joined then (debug.upvaluejoin). At its end, or before its
-- return, stands a call that hands over a function which has the new ones as
-- upvalues: their home from then on.

local tokens = require "harp.repl.tokens"

local Scope = {}
Scope.__index = Scope

-- No name that a person would use.
local KEEP = "__keep_locals__"

-- Homes by name: { fn, index of the upvalue }.
local function new() return setmetatable({ homes = {} }, Scope) end

local function upvalues(fn)
  local i = 0
  return function()
    i = i + 1
    local name, v = debug.getupvalue(fn, i)
    if name then return i, name, v end
  end
end

--- Makes a variable of its own for a value.
function Scope:set(name, v)
  self.homes[name] = { function() return v end, 1 }
end

--- Shares the upvalues of a function.
function Scope:share(fn)
  for i, name in upvalues(fn) do
    if name ~= "" then self.homes[name] = { fn, i } end
  end
end

--- The value of a variable, and whether there is one.
function Scope:get(name)
  local home = self.homes[name]
  if not home then return nil, false end
  local _, v = debug.getupvalue(home[1], home[2])
  return v, true
end

--- Assigns to a variable that there is.
function Scope:assign(name, v)
  local home = self.homes[name]
  debug.setupvalue(home[1], home[2], v)
end

--- The names, in no order.
function Scope:names() return next, self.homes end

-- ---- chunks ----

-- Constants are compiled in, and are no upvalues: they get a variable.
local function keep(scope, names, fn)
  local values, kept = table.pack(fn()), {}
  for i, name in upvalues(fn) do
    if name ~= KEEP then kept[name] = { fn, i } end
  end
  for i, name in ipairs(names) do
    if kept[name] then
      scope.homes[name] = kept[name]
    else
      scope:set(name, values[i])
    end
  end
end

-- The last of each name: one that is declared again hides the one before.
local function distinct(list)
  local seen, result = {}, {}
  for i = #list, 1, -1 do
    if not seen[list[i]] then table.insert(result, 1, list[i]) end
    seen[list[i]] = true
  end
  return result
end

local function with_keeper(text, survey, names)
  if #names == 0 then return text end
  local call = (" %s(function() return %s end) "):format(KEEP, table.concat(names, ", "))
  if not survey.return_at then return text .. "\n" .. call end
  return text:sub(1, survey.return_at - 1) .. call .. text:sub(survey.return_at)
end

--- The function of a chunk, with these variables; nil and what is wrong with
-- it. `name` is as load has it.
function Scope:compile(text, name)
  local plain, complaint = load(text, name, "t")
  if not plain then return nil, complaint end
  local survey = tokens.survey(text)
  local names, declared = distinct(survey.locals), { KEEP }
  for used in pairs(survey.used) do
    if self.homes[used] and used ~= "_ENV" then declared[#declared + 1] = used end
  end
  local outer = load(("local %s = ... return function(...) %s\nend"):format(
    table.concat(declared, ", "), with_keeper(text, survey, names)), name, "t")
  if not outer then return plain end    -- too many variables for one function
  local fn = outer(function(keeper) keep(self, names, keeper) end)
  for i, upvalue in upvalues(fn) do
    local home = self.homes[upvalue]
    if home then debug.upvaluejoin(fn, i, home[1], home[2]) end
  end
  return fn
end

return new
