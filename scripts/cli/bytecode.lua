--- What a compiled function of Lua 5.4 consists of, read from string.dump.
--
-- bytecode.read(fn) → a function as a table: line (where it begins), code (a
-- list of { op, a, b, c, bx, line }), constants (with number 0 the first),
-- upvalues ({ in_stack, index }, from 0), functions (from 0), variables
-- ({ name, first, last }: local ones, in the order of their registers, and
-- between which instructions they are there).

local bytecode = {}

--- The instructions that say what a name is used for.
bytecode.OPS = {
  MOVE = 0, LOADK = 3, GETUPVAL = 9, GETTABUP = 11, GETTABLE = 12, GETFIELD = 14, SETTABUP = 15, SETTABLE = 16,
  SETFIELD = 18, SELF = 20, EQK = 60, TEST = 66, TESTSET = 67, CALL = 68, CLOSURE = 79,
}

local HEADER = "\27Lua\x54\0\x19\x93\r\n\x1a\n\4\8\8"

local Reader = {}
Reader.__index = Reader

function Reader:unpack(format)
  local value
  value, self.at = string.unpack(format, self.text, self.at)
  return value
end

function Reader:byte() return self:unpack "B" end

-- Seven bits a byte, the highest first; the last byte is marked.
function Reader:integer()
  local value = 0
  while true do
    local byte = self:byte()
    value = value << 7 | byte & 0x7f
    if byte & 0x80 ~= 0 then return value end
  end
end

function Reader:string()
  local size = self:integer()
  if size == 0 then return nil end
  return self:unpack("c" .. size - 1)
end

function Reader:list(read)
  local list = {}
  for i = 0, self:integer() - 1 do list[i] = read(self) end
  return list
end

function Reader:instruction()
  local word = self:unpack "<I4"
  return {
    op = word & 0x7f, a = word >> 7 & 0xff, b = word >> 16 & 0xff, c = word >> 24,
    bx = word >> 15, k = word >> 15 & 1 == 1,
  }
end

local CONSTANTS = {
  [0x03] = function(reader) return reader:unpack "<i8" end,
  [0x13] = function(reader) return reader:unpack "<d" end,
  [0x04] = Reader.string, [0x14] = Reader.string,
}

function Reader:constant()
  local read = CONSTANTS[self:byte()]
  return read and read(self) or false
end

function Reader:upvalue()
  local upvalue = { in_stack = self:byte() == 1, index = self:byte() }
  self:byte()                           -- its kind
  return upvalue
end

function Reader:variable()
  return { name = self:string(), first = self:integer(), last = self:integer() }
end

-- Differences from instruction to instruction, and lines where those are too
-- large for a byte.
function Reader:lines(fn)
  local differences = self:list(function() return self:unpack "b" end)
  local absolute, line = {}, fn.line
  self:list(function()
    local at = self:integer()
    absolute[at] = self:integer()
  end)
  for i = 0, #fn.code do
    line = absolute[i] or line + differences[i]
    fn.code[i].line = line
  end
end

function Reader:fn()
  local fn = {}
  self:string()                         -- the source
  fn.line = self:integer()
  self:integer()                        -- its last line
  self:unpack "c3"                      -- parameters, is it vararg, registers
  fn.code = self:list(Reader.instruction)
  fn.constants = self:list(Reader.constant)
  fn.upvalues = self:list(Reader.upvalue)
  fn.functions = self:list(Reader.fn)
  self:lines(fn)
  fn.variables = self:list(Reader.variable)
  self:list(Reader.string)              -- names of the upvalues
  return fn
end

function bytecode.read(fn)
  local text = string.dump(fn)
  assert(text:sub(1, #HEADER) == HEADER, "this is not the Lua that was meant")
  -- Behind the header: an integer and a float to compare, the number of upvalues.
  return setmetatable({ text = text, at = #HEADER + 8 + 8 + 1 + 1 }, Reader):fn()
end

return bytecode
