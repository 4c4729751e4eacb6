--- How a stock dispatcher calls a daemon (protocol §2): one hello that offers
-- TLS 1.0 and 1.1 with CBC suites only, one request, and exact members in every
-- line of the answer, or the job is lost.

local harness = require "spec.support.harness"
local json = require "spec.support.json"
local ssl = require "ssl"

local SUITES = table.concat({
  "ECDHE-ECDSA-AES256-SHA", "ECDHE-RSA-AES256-SHA", "AES256-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA",
  "AES128-SHA", "@SECLEVEL=0",
}, ":")

-- What each kind of line has, to a member; `false` may be missing.
local ACCEPTED = { harp = true, stream_result = true }
local ERROR = { harp = true, error = true }
local PACKET, RESULT, EXCEPTION = { stream = true }, { result = true }, { exception = true }
local FAILURE = { type = true, message = true, data = false }

local function has_exactly(object, members)
  if not json.is_object(object) then return false end
  for name in pairs(object) do
    if members[name] == nil then return false end
  end
  for name, needed in pairs(members) do
    if needed and object[name] == nil then return false end
  end
  return true
end

local function is_failure(v)
  return has_exactly(v, FAILURE) and type(v.type) == "string" and type(v.message) == "string"
end

local function is_accepted(line)
  return has_exactly(line, ACCEPTED) and line.harp == 1 and type(line.stream_result) == "boolean"
end

local function is_error(line)
  return has_exactly(line, ERROR) and line.harp == 1 and is_failure(line.error)
end

local function is_outcome(line)
  return has_exactly(line, RESULT) or (has_exactly(line, EXCEPTION) and is_failure(line.exception)) or is_error(line)
end

local stock_caller = {}

--- What an answer is, its lines decoded: { packets = list, outcome = its last
-- line }; or nil and the number of the line that loses the job.
function stock_caller.judge(lines)
  local packets, first = {}, lines[1]
  if first and is_error(first) and #lines == 1 then return { packets = packets, outcome = first } end
  if not first or not is_accepted(first) then return nil, 1 end
  for i = 2, #lines - 1 do
    if not (first.stream_result and has_exactly(lines[i], PACKET)) then return nil, i end
    packets[#packets + 1] = lines[i].stream
  end
  if #lines < 2 or not is_outcome(lines[#lines]) then return nil, #lines end
  return { packets = packets, outcome = lines[#lines] }
end

--- A connection after its handshake; nil and what OpenSSL says otherwise.
function stock_caller.connect(daemon)
  local connection = assert(ssl.wrap(harness.connect(daemon), {
    mode = "client", protocol = "any", verify = "none", ciphers = SUITES,
    options = { "no_sslv2", "no_sslv3", "no_tlsv1_2", "no_tlsv1_3" },
  }))
  connection:settimeout(harness.PATIENCE)
  local shaken, reason = connection:dohandshake()
  if shaken then return connection end
  connection:close()
  return nil, reason
end

--- Calls; returns { packets =, outcome = }, decoded. Where a stock dispatcher
-- would lose the job: nil and why.
function stock_caller.call(daemon, procedure, arguments)
  local connection, reason = stock_caller.connect(daemon)
  if not connection then return nil, reason end
  connection:send(json.encode{ harp = 1, procedure = procedure, arguments = arguments,
    auth = { user = "tester", password = "secret" } } .. "\n")
  local texts, closed, ending = harness.lines(connection)
  connection:close()
  if not closed then return nil, "the answer did not end: " .. tostring(ending) end
  local lines = {}
  for i, text in ipairs(texts) do lines[i] = json.decode(text) end
  local answer, odd = stock_caller.judge(lines)
  if answer then return answer end
  return nil, "missing_result, by " .. (texts[odd] or "nothing")
end

return stock_caller
