--- How a compiled chunk uses globals and the fields of the module harp.
--
-- globals.uses(fn) → list of { what, name, line, is_main }. What: "get" or "set"
-- of a global, "ask" where the script looks whether there is one, as in `unpack
-- or table.unpack`, "harp" for a field of the module. Instructions are followed
-- from the first to the last; a register is known until it is written, a local
-- variable by its first value. So what is found is so, and something may be
-- missed.

local bytecode = require "harp.cli.bytecode"

local OPS = bytecode.OPS

-- What a register can be known to hold; else a constant's { text }.
local ENV, HARP, REQUIRE = {}, {}, {}

local Scan = {}
Scan.__index = Scan

-- The local variable that is in a register at an instruction.
function Scan:variable(register, at)
  local variables = self.fn.variables
  local count = -1
  for i = 0, #variables do
    local variable = variables[i]
    if not variable or variable.first > at then return nil end
    if at < variable.last then count = count + 1 end
    if count == register then return variable end
  end
end

function Scan:value(register, at)
  local variable = self:variable(register, at)
  if variable then return variable.value end
  return self.registers[register]
end

-- Variables that begin here have what their registers hold.
function Scan:begin_variables(at)
  for register = 0, 255 do
    local variable = self:variable(register, at)
    if not variable then return end
    if variable.first == at then variable.value = self.registers[register] end
  end
end

function Scan:note(what, name, line)
  if type(name) == "string" then
    table.insert(self.uses, { what = what, name = name, line = line, is_main = self.is_main })
  end
end

-- Is what an instruction puts into its register only asked for, by the next one?
function Scan:is_question(at)
  local register, nearest = self.fn.code[at].a, self.fn.code[at + 1]
  if nearest.op == OPS.TESTSET then return nearest.b == register end
  if nearest.op == OPS.TEST then return nearest.a == register end
  return nearest.op == OPS.EQK and nearest.a == register and self.fn.constants[nearest.b] == false
end

-- A field is read; returns what that gives, as far as it is known.
function Scan:get(holder, name, at)
  local line = self.fn.code[at].line
  local is_question = self:is_question(at)
  if holder == HARP and not is_question then self:note("harp", name, line) end
  if holder ~= ENV then return nil end
  self:note(is_question and "ask" or "get", name, line)
  return name == "require" and REQUIRE or nil
end

function Scan:set(holder, name, line)
  if holder == ENV then self:note("set", name, line) end
end

local function text_of(value) return value and value.text end

-- Each returns what register `a` holds from then on.
local steps = {
  [OPS.MOVE] = function(scan, i, at) return scan:value(i.b, at) end,
  [OPS.LOADK] = function(scan, i) return { text = scan.fn.constants[i.bx] } end,
  [OPS.GETUPVAL] = function(scan, i) return scan.upvalues[i.b] end,
  [OPS.GETTABUP] = function(scan, i, at) return scan:get(scan.upvalues[i.b], scan.fn.constants[i.c], at) end,
  [OPS.GETFIELD] = function(scan, i, at) return scan:get(scan:value(i.b, at), scan.fn.constants[i.c], at) end,
  [OPS.GETTABLE] = function(scan, i, at)
    return scan:get(scan:value(i.b, at), text_of(scan:value(i.c, at)), at)
  end,
  [OPS.SETTABUP] = function(scan, i) scan:set(scan.upvalues[i.a], scan.fn.constants[i.b], i.line) end,
  [OPS.SETFIELD] = function(scan, i, at) scan:set(scan:value(i.a, at), scan.fn.constants[i.b], i.line) end,
  [OPS.SETTABLE] = function(scan, i, at) scan:set(scan:value(i.a, at), text_of(scan:value(i.b, at)), i.line) end,
  [OPS.SELF] = function(scan, i, at)
    if i.k then scan:get(scan:value(i.b, at), scan.fn.constants[i.c], at) end
  end,
  [OPS.CALL] = function(scan, i, at)
    local is_harp = scan:value(i.a, at) == REQUIRE and text_of(scan:value(i.a + 1, at)) == "harp"
    return is_harp and HARP or nil
  end,
}

local scan_function

steps[OPS.CLOSURE] = function(scan, i, at)
  local inner = scan.fn.functions[i.bx]
  local upvalues = {}
  for index, upvalue in pairs(inner.upvalues) do
    if upvalue.in_stack then
      upvalues[index] = scan:value(upvalue.index, at)
    else
      upvalues[index] = scan.upvalues[upvalue.index]
    end
  end
  scan_function(inner, upvalues, scan.uses, false)
end

function scan_function(fn, upvalues, uses, is_main)
  local scan = setmetatable({ fn = fn, upvalues = upvalues, uses = uses, is_main = is_main, registers = {} }, Scan)
  for at = 0, #fn.code do
    local instruction = fn.code[at]
    scan:begin_variables(at)
    local step = steps[instruction.op]
    scan.registers[instruction.a] = step and step(scan, instruction, at)
  end
end

local globals = {}

function globals.uses(fn)
  local uses = {}
  scan_function(bytecode.read(fn), { [0] = ENV }, uses, true)
  return uses
end

return globals
