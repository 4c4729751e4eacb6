--- Where an observer of a batch writes. One who does not read any more, or a
-- disk that is full, must not end the batch: nothing more is written then, and
-- it is said at the end.

local core = require "harp.core"

local EPIPE = 32

local Sink = {}
Sink.__index = Sink

local DESCRIPTORS = { [io.stdout] = 1, [io.stderr] = 2 }

-- Also a file that its owner has closed is no matter of the batch.
local function try(self, method, ...)
  if self.failure then return end
  local well, done, message, number = pcall(self.out[method], self.out, ...)
  if well and done then return end
  self.failure = number == EPIPE and "nobody reads it any more" or tostring(well and message or done)
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
  if self.failure and not self.is_closed then
    io.stderr:write(("harp: not all that the batch did could be shown: %s\n"):format(self.failure))
  end
  self.is_closed = true
end

--- A sink of a file: io.stdout, io.stderr, or another open one.
return function(out)
  local descriptor = DESCRIPTORS[out]
  return setmetatable({
    out = out, descriptor = descriptor, has_colours = descriptor ~= nil and core.has_colours(descriptor),
  }, Sink)
end
