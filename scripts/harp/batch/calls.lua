--- The calls of an attempt of a host: which one of those that the journal has a
-- call of its step is, when the step is run again.
--
-- A call is known by its key: its place, which is the attempt, the step and the
-- task that it is made in and the procedure, and which of the calls of that place
-- it is. A digest of its arguments tells whether it is the same as before: tasks
-- that come in another order are given their own calls, and of one with other
-- arguments than before nobody can know.

local core = require "harp.core"

local calls = {}

local Calls = {}
Calls.__index = Calls

--- Raises that nobody can know whether a call was accepted.
function calls.doubt(text, ...)
  error(core.error{ kind = "CommunicationError", type = "unknown_outcome", message = text:format(...) }, 0)
end

-- nil for what is no JSON. With the host's name, so that equal arguments of two
-- hosts do not look so.
local function digest_of(self, arguments)
  local well, digest = pcall(core.digest, arguments, self.run .. " " .. self.record.name)
  return well and digest or nil
end

--- A call that is about to be made: procedure, arguments, step (nil: in none), and
-- what it is known by.
function Calls:describe(procedure, arguments, step, task)
  return {
    procedure = procedure, arguments = arguments, step = step, digest = digest_of(self, arguments),
    place = core.encode(core.array{ self.attempt, step or core.null, task, procedure }),
  }
end

--- Are these the arguments of a call?
function Calls:has_arguments(call, arguments) return digest_of(self, arguments) == call.digest end

-- Where it is among those of before: first of those of its own place.
local function position_of(self, call)
  local at = nil
  for i, known in ipairs(self.left) do
    local before = known.call
    if before.procedure == call.procedure and before.step == call.step and before.arguments == call.digest then
      if known.place == call.place then return i end
      at = at or i
    end
  end
  return at
end

--- What is known of a call that was made before: { key, call (as the record has
-- it) }; each is given once. nil for a new call, if what was called in its place
-- before has been called again.
function Calls:take(call)
  local at = position_of(self, call)
  if at then return table.remove(self.left, at) end
  for _, known in ipairs(self.left) do
    if known.place == call.place and not known.call.refused then
      calls.doubt("%s had other arguments before the run was cut off: it is not known whether this call was "
        .. "accepted (what differs each time is for batch.step to remember)", call.procedure)
    end
  end
end

--- The key of a new call. It is taken when the record has it.
function Calls:new_key(call)
  local number = self.numbers[call.place] or 0
  local function key() return ("%s %d"):format(call.place, number) end
  repeat number = number + 1 until not self.record.calls[key()]
  self.numbers[call.place] = number
  return key()
end

-- Those that the journal has of an attempt, in their order.
local function calls_of(record, attempt)
  local list = {}
  for key, call in pairs(record.calls) do
    if call.attempt == attempt then list[#list + 1] = { key = key, place = key:match "^(.*) %d+$", call = call } end
  end
  table.sort(list, function(a, b) return a.call.number < b.call.number end)
  return list
end

--- Those of an attempt; `run` is its id, `record` the host's.
function calls.new(run, record, attempt)
  return setmetatable({
    run = run, record = record, attempt = attempt, numbers = {}, left = calls_of(record, attempt),
  }, Calls)
end

return calls
