--- Where an observer of a batch writes. One who does not read any more, or a
-- disk that is full, must not end the batch: nothing more is written then, and
-- it is said at the end, once for each file. Standard output that is lost to a
-- disk is an error of the command.

local core = require "harp.core"
local output = require "harp.cli.output"

local EPIPE = 32

local Sink = {}
Sink.__index = Sink

local told = setmetatable({}, { __mode = "k" })         -- files of which it was said

local DESCRIPTORS = { [io.stdout] = 1, [io.stderr] = 2 }

-- Also a file that its owner has closed is no matter of the batch.
local function try(self, method, ...)
  if self.failure then return end
  local well, done, message, number = pcall(self.out[method], self.out, ...)
  if well and done then return end
  self.failure = number == EPIPE and "nobody reads it any more" or tostring(well and message or done)
  output.is_lost = output.is_lost or self.descriptor == 1 and number ~= EPIPE
end

--- Writes a text, which is seen at once.
function Sink:write(text)
  try(self, "write", text)
  if self.descriptor ~= 2 then try(self, "flush") end
end

--- A text in a colour, where there are colours; SGR parameters such as "1;31".
function Sink:paint(parameters, text)
  if not self.has_colours then return text end
  return ("\27[%sm%s\27[0m"):format(parameters, text)
end

function Sink:close()
  try(self, "flush")
  if not self.failure or told[self.out] then return end
  told[self.out] = true
  io.stderr:write(("harp: not all that the batch did could be shown: %s\n"):format(self.failure))
end

--- A sink of a file: io.stdout, io.stderr, or another open one.
return function(out)
  local descriptor = DESCRIPTORS[out]
  return setmetatable({
    out = out, descriptor = descriptor, has_colours = descriptor ~= nil and core.has_colours(descriptor),
  }, Sink)
end
