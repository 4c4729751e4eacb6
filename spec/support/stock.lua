--- stock.lua [name=value…]: a dispatcher that behaves as stock ones were seen
-- to (protocol §1, "Stock behaviour a client has to live with"). Its jobs are
-- simulated, there is no daemon.
--
-- Options: those of jobs.open, and
--   port      where to listen (default: any)
--   at        "end": a spurious answer comes when the job ends, not at once
--   skip      true: a follow of a running job misses the first packet after
--             those recorded; "last": and the last one of the stream

local loop = require "spec.support.loop"
local json = require "spec.support.json"
local jobs = require "spec.support.jobs"
local words = require "spec.support.words"

local LIMIT = 1024 * 1024
local options = words.parse(table.concat(arg, " "))

-- ---- requests: exactly these members ----

local function text(v) return type(v) == "string" end
local function flag(v) return type(v) == "boolean" end
local function anything() return true end
local function natural(v) return math.type(v) == "integer" and v >= 0 end
local function seconds(v) return type(v) == "number" and v > 0 end
local function arguments(v) return json.is_array(v) or json.is_object(v) end

local function matches(object, members)
  for name, v in pairs(object) do
    local member = members[name]
    if not member or not member.check(v) then return false end
  end
  for name, member in pairs(members) do
    if member.needed and object[name] == nil then return false end
  end
  return true
end

local function needed(check) return { check = check, needed = true } end
local function optional(check) return { check = check } end

local function version(v) return math.type(v) == "integer" and v == 1 end
local function some(v) return natural(v) and v > 0 end

local QUEUE = { name = needed(json.is_object), concurrency = optional(some) }
local function queue(v) return json.is_object(v) and matches(v, QUEUE) end

local REQUESTS = {
  procedure = { host = needed(text), procedure = needed(text), arguments = needed(arguments),
    timeout = optional(seconds), max_exec_time = optional(seconds),
    queue = optional(queue), info = optional(anything) },
  cancel = { cancel = needed(text) },
  get_result = { get_result = needed(text), wait = optional(flag) },
  get_status = { get_status = needed(text) },
  follow_stream = { follow_stream = needed(text), since = optional(natural), recent = optional(natural) },
  read_stream = { read_stream = needed(text), since = optional(natural), recent = optional(natural) },
}
for _, members in pairs(REQUESTS) do members.harpcaller = needed(version) end

-- The operation and the request; nil for what stock hangs up on.
local function parse(line)
  local ok, request = pcall(json.decode, line, true)
  if not ok or not json.is_object(request) or request.since and request.recent then return nil end
  for operation, members in pairs(REQUESTS) do
    if request[operation] ~= nil then return matches(request, members) and operation, request end
  end
end

-- ---- answers ----

local function reply(client, format, ...) loop.send(client, format:format(...) .. "\n") end

-- Answers a wait wrongly, as often as it was told to.
local function is_spurious(job)
  if job.spurious <= 0 then return false end
  job.spurious = job.spurious - 1
  return true
end

local function outcome(job, spurious) return spurious and jobs.MISSING or job.outcome end

local function answers_at_once(spurious) return spurious and options.at ~= "end" end

local function position(job, request, default)
  return request.since or math.max(0, #job.packets - (request.recent or default))
end

-- Which packets a follow that begins now does not see.
local function misses(job)
  if not options.skip or not jobs.is_running(job) then return function() return false end end
  local first = #job.packets
  return function(number)
    return number == first or options.skip == "last" and job.packets[number + 1].is_last
  end
end

local function send_packets(client, job, number, is_missed)
  while number < #job.packets do
    if not is_missed or not is_missed(number) then
      reply(client, '{"packet":%d,"data":%s}', number, job.packets[number + 1].text)
    end
    number = number + 1
  end
  return number
end

local answers = {}

function answers.procedure(client, request, line)
  reply(client, '{"harpcaller":1,"job_id":"%s"}', jobs.submit(request, line).id)
end

function answers.cancel(client, _, _, job)
  reply(client, '{"cancelled":%s}', jobs.cancel(job))
end

function answers.get_result(client, request, _, job)
  local spurious = request.wait and is_spurious(job)
  while request.wait and not job.outcome and not answers_at_once(spurious) do jobs.wait(job) end
  reply(client, "%s", outcome(job, spurious) or '{"no_result":true}')
end

function answers.get_status(client, _, _, job)
  local call = job.call
  reply(client, "%s", json.encode{
    call = { procedure = call.procedure, arguments = call.arguments, host = call.host },
    time = { submit = job.submit, start = job.start or json.null, ["end"] = job.finish or json.null },
    info = call.info == nil and json.null or call.info,
  })
end

function answers.follow_stream(client, request, _, job)
  local spurious, is_missed = is_spurious(job), misses(job)
  if answers_at_once(spurious) then return reply(client, "%s", jobs.MISSING) end
  local number = send_packets(client, job, position(job, request, 0), is_missed)
  while not job.outcome do
    jobs.wait(job)
    number = send_packets(client, job, number, is_missed)
  end
  reply(client, "%s", outcome(job, spurious))
end

function answers.read_stream(client, request, _, job)
  send_packets(client, job, position(job, request, #job.packets))
  reply(client, "%s", job.outcome or '{"continue":true}')
end

local STREAMS = { follow_stream = true, read_stream = true }   -- hang up on jobs that they do not know

local function answer(client, line)
  local operation, request = parse(line)
  if not operation then return end
  local job = jobs.find(request[operation])
  if job or operation == "procedure" then return answers[operation](client, request, line, job) end
  if not STREAMS[operation] then reply(client, "%s", jobs.failure("invalid_jobid", "no such job")) end
end

-- One request; what comes after it is not read, nor is a hang-up noticed.
local function serve(client)
  local line, reason = loop.line(client, LIMIT)
  if line then answer(client, line) end
  loop.close(client, reason == "long" and "rst" or "fin")
end

jobs.open(options)
local _, port = loop.listen(options.port or 0, serve)
print("listening on 127.0.0.1:" .. port)
io.stdout:flush()
loop.run()
