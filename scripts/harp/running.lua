--- Runs a procedure and sends what comes of it.
--
-- `send(kind, …)` takes ("packet" | "result" | "exception", json) and
-- ("error", type, message).

local core = require "harp.core"

local running = {}

--- Text that JSON can carry, whatever bytes it had.
function running.readable(text)
  return utf8.len(text) and text or (text:gsub("[\128-\255]", "?"))
end

local readable = running.readable

-- A value as JSON; or nil, and what in it JSON cannot carry.
local function encode(v)
  if v == nil then v = core.null end
  local ok, text = pcall(core.encode, v)
  if ok then return text end
  return nil, readable(type(text) == "table" and text.message or tostring(text))
end

-- Its own data, with the traceback beside it where there is a place.
local function data_of(raised, traceback)
  local data = raised.data
  if data == nil then return { traceback = traceback } end
  if type(data) ~= "table" or core.is_array(data) or data.traceback ~= nil then return data end
  local copy = { traceback = traceback }
  for k, v in pairs(data) do copy[k] = v end
  return copy
end

-- What a raised value becomes, as JSON: {type, message, data}.
local function exception(raised, traceback)
  local shown = { type = "LuaError", data = { traceback = traceback } }
  if type(raised) == "table" then
    if type(raised.type) == "string" then shown.type = readable(raised.type) end
    if type(raised.message) == "string" then shown.message = raised.message end
    shown.data = data_of(raised, traceback)
  end
  shown.message = readable(shown.message or tostring(raised))
  if not encode(shown.data) then shown.data = { traceback = traceback } end
  return encode(shown)
end

-- The ends of a call. What the procedure holds to be closed is closed first:
-- the caller goes when it has its answer, and its going ends the call.

local function raise(thread, send, raised)
  local text = exception(raised, readable(debug.traceback(thread)))
  coroutine.close(thread)
  send("exception", text)
end

local function refuse(thread, send, message)
  coroutine.close(thread)
  send("error", "invalid_message", message)
end

-- What a resumption brought; true when the procedure is to be resumed again.
local function take(procedure, thread, send, ok, ...)
  if not ok then return raise(thread, send, (...)) end
  local ended = coroutine.status(thread) == "dead"
  if not ended and not procedure.stream then
    return refuse(thread, send, "the procedure yielded, but is not registered as a stream")
  elseif not ended and select("#", ...) > 1 then
    return refuse(thread, send, ("a packet is one value, not %d"):format(select("#", ...)))
  end
  local text, complaint = encode((...))
  if not text then return refuse(thread, send, complaint) end
  send(ended and "result" or "packet", text)
  return not ended
end

--- Runs it to its end: each value that it yields is a packet, the one that it
-- returns the result. The first `count` of `list` are its arguments.
function running.run(procedure, list, count, send)
  local thread = coroutine.create(procedure.fn)
  local on = take(procedure, thread, send, coroutine.resume(thread, table.unpack(list, 1, count)))
  while on do on = take(procedure, thread, send, coroutine.resume(thread)) end
end

return running
