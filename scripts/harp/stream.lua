--- Iterators over what arrives bit by bit: a job's packets, a server's stream.
--
--     for msg in stream do … end      -- leaving the loop closes the connection
--     local list = stream:all()       -- everything, as a list
--     stream:close()

local Stream = { __name = "harp.stream" }
Stream.__index = Stream

--- `step()` returns the next item or items, nil at the end; `exchange` is
-- closed with the stream.
local function new(exchange, step)
  return setmetatable({ exchange = exchange, step = step }, Stream)
end

function Stream:__call()
  if self.ended then return nil end
  local first, second = self.step()
  if first == nil then self:close() end
  return first, second
end

--- What is left, as a list; of pairs' second items where the stream is numbered.
function Stream:all()
  local list = {}
  for first, second in self do
    list[#list + 1] = second == nil and first or second
  end
  return list
end

function Stream:close()
  self.ended = true
  self.exchange:close()
end

Stream.__close = Stream.close

return new
