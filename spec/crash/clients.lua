--- The clients of a round, and what they saw: by raw lines, since it has to be
-- known to the byte. Some share a connection by tags, others have their own.

local harness = require "spec.support.harness"
local harp = require "harp"
local socket = require "socket"

local clients = {}

local random = math.random
local totals = { submitted = 0, acknowledged = 0, packets = 0, outcomes = 0 }

--- submitted: by argument; acknowledged: by id; refused: by argument.
function clients.nothing() return { calls = {}, jobs = {}, refused = {} } end

function clients.summary()
  return ("%d calls, %d acknowledged, %d packets and %d outcomes seen"):format(totals.submitted,
    totals.acknowledged, totals.packets, totals.outcomes)
end

-- ---- calls ----

local function make_call(i, size)
  local tag = ("tag%d"):format(i)
  local kind = random(10)
  local call = { harpcaller = 1, host = "localhost", info = { i } }
  if kind <= 5 then
    call.procedure, call.arguments = "mark", harp.array{ tag }
  elseif kind <= 9 then
    call.procedure, call.arguments = "count", harp.array{ tag, random(8), size or random(4) == 1 and 6000 or random(40),
      random(0, 3) / 1000 }
  else
    call.procedure, call.arguments = "sleep", harp.array{ tag, random(0, 50) / 1000 }
  end
  local queue = random(3)
  if queue <= 2 then call.queue = { name = { q = queue }, concurrency = queue } end
  if random(3) == 1 then call.dedup = { key = tag, window = 1000 } end
  return call, tag
end

-- ---- what is seen ----

local function job_of(seen, id, call, tag)
  seen.jobs[id] = seen.jobs[id] or { id = id, call = call, tag = tag, packets = {} }
  return seen.jobs[id]
end

local function take_packet(job, number, line)
  local before = job.packets[number]
  if before and before ~= line then error(("job %s: packet %d was another one"):format(job.id, number)) end
  if number > 0 and not job.packets[number - 1] then
    error(("job %s: packet %d came without the one before"):format(job.id, number))
  end
  job.packets[number] = line
  totals.packets = totals.packets + 1
end

local function take_outcome(job, line)
  if job.outcome and job.outcome ~= line then
    error(("job %s: %s, and then %s"):format(job.id, job.outcome, line))
  end
  job.outcome = line
  totals.outcomes = totals.outcomes + 1
end

-- A line of a job's stream, or its outcome; without its tag. Whether it was
-- the last one.
local function take_line(job, line, reply)
  if reply.packet then
    take_packet(job, reply.packet, line)
    return false
  end
  local failure = reply.error and reply.error.type
  -- Not the job's: of this moment.
  if failure == "system_error" and reply.error.message:find "^database" and not job.lenient then return true end
  take_outcome(job, line)
  return true
end
clients.take_line = take_line

-- ---- connections ----

local function follow_request(job)
  if random(3) == 1 then return { harpcaller = 1, get_result = job.id, wait = true } end
  return { harpcaller = 1, follow_stream = job.id, since = 0 }
end

local Line = {}
Line.__index = Line

local function open(world)
  local connection = socket.connect("127.0.0.1", world.server.port)
  if not connection then return end
  connection:settimeout(0)
  connection:setoption("tcp-nodelay", true)
  local line = setmetatable({ socket = connection, world = world, pending = "", waits = {} }, Line)
  world.lines[connection] = line
  return line
end

function Line:send(request, tag, waits)
  request.tag = tag
  local text = harp.encode(request) .. "\n"
  request.tag = nil
  self.waits[tag or 0] = waits
  self.socket:send(text)
end

function Line:close()
  self.world.lines[self.socket] = nil
  self.socket:close()
end

-- Requests that have to be answered: { call, tag } or { job }.
local function follow(line, job, tag)
  if tag then
    line:send(follow_request(job), tag, { job = job })
  else
    line = open(line.world)
    if line then line:send(follow_request(job), nil, { job = job }) end
  end
end

local function take_job_id(line, waits, reply)
  local world, seen = line.world, line.world.round.seen
  if not reply.job_id then
    seen.refused[waits.tag] = reply.error.message
    seen.calls[waits.tag] = nil
    return
  end
  totals.acknowledged = totals.acknowledged + 1
  local job = job_of(seen, reply.job_id, waits.call, waits.tag)
  seen.calls[waits.tag] = nil
  world.next_tag = world.next_tag + 1
  follow(line, job, line.tagged and world.next_tag or nil)
  if random(12) == 1 then
    local other = open(world)
    if other then other:send({ harpcaller = 1, cancel = job.id }, nil, { cancel = job }) end
  end
end

-- The tag comes last: taken away, the line is as it would be without.
local function take(line, text)
  local reply = harp.decode(text)
  local tag = reply.tag
  if tag then text = text:gsub(',"tag":%d+}$', "}"):gsub('"tag":%d+,', "", 1) end
  local waits = line.waits[tag or 0]
  if not waits then error("an answer to nothing: " .. text) end
  if waits.call then
    take_job_id(line, waits, reply)
  elseif waits.cancel then
    if reply.cancelled then waits.cancel.cancelled = true end
  else
    take_line(waits.job, text, reply)
  end
end

function Line:receive()
  while true do
    local text, reason, rest = self.socket:receive("*l", self.pending)
    if text then
      self.pending = ""
      take(self, text)
    else
      self.pending = rest or ""
      if reason ~= "timeout" then self:close() end
      return
    end
  end
end

-- ---- a round ----

local function submit(world, shared, i)
  local call, tag = make_call(i, world.round.size)
  local seen = world.round.seen
  local tagged = random(2) == 1
  local line = tagged and shared or open(world)
  if not line or not world.lines[line.socket] then return false end
  line.tagged = tagged
  seen.calls[tag] = call
  totals.submitted = totals.submitted + 1
  world.next_tag = world.next_tag + 1
  line:send(call, tagged and world.next_tag or nil, { call = call, tag = tag })
  return true
end

local function is_done(seen)
  if next(seen.calls) then return false end
  for _, job in pairs(seen.jobs) do if not job.outcome then return false end end
  return true
end

local function wait(world, seconds)
  local list = {}
  for connection in pairs(world.lines) do list[#list + 1] = connection end
  if #list == 0 then return socket.sleep(seconds) end
  for _, connection in ipairs((socket.select(list, nil, seconds))) do
    local line = world.lines[connection]
    if line then line:receive() end
  end
end

--- Submits and follows until all is done or the time is over; `event` has
-- `at` (seconds) and `act`.
function clients.run(round, server, seconds, event)
  local world = { round = round, server = server, lines = {}, next_tag = 0 }
  local from, count, submitted = socket.gettime(), random(4, 14), 0
  local shared = open(world)
  while shared and socket.gettime() - from < seconds and next(world.lines) do
    if submitted < count and random(3) > 1 then
      submitted = submitted + 1
      if not submit(world, shared, submitted) then break end
    end
    wait(world, 0.002)
    if event and socket.gettime() - from >= event.at then
      event.act()
      event = nil
    end
    if submitted == count and is_done(round.seen) and not event then break end
  end
  for _, line in pairs(world.lines) do
    line:receive()
    line:close()
  end
end

--- After a restart: calls with a dedup key are made once more, whether they
-- were acknowledged or not.
function clients.again(round, server)
  local seen = round.seen
  local function ask(call) return harp.decode(harness.ask(server, harp.encode(call) .. "\n")[1]) end
  for id, job in pairs(seen.jobs) do
    if job.call.dedup then
      local reply = ask(job.call)
      if reply.job_id ~= id then error(("job %s: made again it was %s"):format(id, harp.encode(reply))) end
    end
  end
  for tag, call in pairs(seen.calls) do
    if call.dedup then
      local reply = ask(call)
      assert(reply.job_id, harp.encode(reply))
      -- One that was pruned has left its key behind.
      if not (round.pruned and reply.duplicate) then job_of(seen, reply.job_id, call, tag) end
      seen.calls[tag] = nil
    end
  end
end

return clients
