--- A caller: a dispatcher, and through it hosts and jobs.
--
--     harp.caller()                   $HARP_CALLER, else the local stack if one
--                                     was started, else localhost:3502
--     harp.caller("host[:port]")      also "[v6]:port", "unix:/path"
--     harp.caller{host = …, port = …, tls = true, …}
--
-- The options are those of harp.endpoint; plain unless `tls` is true or
-- "legacy". The local stack answers for "localhost" too, unless a port is
-- given, and is what it is whatever the other options say.

local core = require "harp.core"
local endpoint = require "harp.endpoint"
local host = require "harp.host"
local job = require "harp.job"

local PORT = 3502

local Caller = { __name = "harp.caller" }
local methods = {}
local private = setmetatable({}, { __mode = "k" })

-- Where it is, and whether that is the local stack.
local function find(options)
  if options.port then return options.host or "localhost" end
  local stack = core.local_stack()
  local address = options.host or os.getenv "HARP_CALLER" or stack and stack.caller or "localhost"
  if stack and (address == "localhost" or address == stack.caller) then return stack.caller, true end
  return address
end

local function open(options)
  if options == nil or type(options) == "string" then options = { host = options } end
  if type(options) ~= "table" then
    error("harp.caller takes an address or a table, not a " .. type(options), 3)
  end
  local complaint = endpoint.complaint(options, {})
  if complaint then error("harp.caller" .. complaint, 3) end
  local address, is_local = find(options)
  if is_local then options = {} end
  return endpoint.new(address, options, PORT)
end

--- A host of that name, with options: queue, concurrency, timeout,
-- max_exec_time, info.
function methods.host(caller, name, options)
  return host(private[caller], name, options)
end

--- The job with that id.
function methods.job(caller, id)
  if type(id) ~= "string" then error("a job's id is a string", 2) end
  return job(private[caller], id)
end

--- Sends one request as it is, with "harpcaller" added, and returns the reply;
-- for the stream operations a list of all the replies.
function methods.request(caller, request)
  if type(request) ~= "table" then error("a request is a table", 2) end
  local line = { harpcaller = 1 }
  for name, v in pairs(request) do line[name] = v end
  local exchange <close> = core.request(private[caller], core.encode(line) .. "\n")
  local replies = core.array{}
  while true do
    local reply, failure = exchange:take()
    if reply == nil and (#replies == 0 or failure.type ~= "closed") then error(failure, 0) end
    if reply == nil then return replies end
    if not (request.follow_stream or request.read_stream) then return reply end
    replies[#replies + 1] = reply
  end
end

function Caller:__index(name)
  return methods[name] or methods.host(self, name)
end

function Caller:__newindex(name)
  error(("a caller has no field %q to set"):format(tostring(name)), 2)
end

function Caller:__call(name, options)
  return methods.host(self, name, options)
end

function Caller:__tostring()
  return "caller at " .. tostring(private[self])
end

return function(address)
  local caller = setmetatable({}, Caller)
  private[caller] = open(address)
  return caller
end
