--- Iterators over what arrives bit by bit: a job's packets, a server's stream.
--
--     for msg in stream do … end      -- leaving the loop closes the connection
--     local list = stream:all()       -- everything, as a list
--     stream:close()

local Stream = { __name = "harp.stream" }
Stream.__index = Stream

--- `step()` returns the next item's values, nil at the end; `close()` lets go
-- of what it reads from, and may be called again; the `at`th of an item's
-- values (default 1) is what a list of them has; `about` says what it goes
-- over, and `job` whose that is.
local function new(step, close, at, about, job)
  return setmetatable({ step = step, let_go = close, at = at or 1, about = about, job = job }, Stream)
end

local function hand_on(self, first, ...)
  if first == nil then self:close() end
  return first, ...
end

function Stream:__call()
  if self.ended then return nil end
  return hand_on(self, self.step())
end

--- What is left, as a list.
function Stream:all()
  local list, at = {}, self.at
  local _ <close> = self
  for first, second in self do
    if at == 2 then first = second end
    list[#list + 1] = first
  end
  return list
end

function Stream:close()
  self.ended = true
  self.let_go()
end

Stream.__close = Stream.close

return new
