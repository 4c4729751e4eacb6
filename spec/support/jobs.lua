--- The jobs of a stock look-alike: queues, simulated runs, and what is left of
-- them after a restart. Values are kept as text.

local loop = require "spec.support.loop"
local json = require "spec.support.json"
local procedures = require "spec.support.procedures"

local jobs = {}

local options
local all, queues = {}, {}      -- by id; by canonical name

local HOSTS = { localhost = true, web01 = true, web02 = true }

local function is_known(host)
  local number = host:match "^web(%d%d%d)$"
  return HOSTS[host] or number and tonumber(number) >= 1 and tonumber(number) <= (options.hosts or 0)
end

function jobs.failure(type, message)
  return json.encode{ error = { type = type, message = message } }
end

jobs.MISSING = jobs.failure("missing_result", "job interrupted abruptly")

-- ---- the journal: a Lua text, written at each submission and each end ----

local function note(format, ...)
  if not options.journal then return end
  local file = assert(io.open(options.journal, "a"))
  file:write(format:format(...), "\n")
  file:close()
end

local function note_end(job)
  local packets = {}
  for i, packet in ipairs(job.packets) do packets[i] = ("%q"):format(packet.text) end
  note("ended(%q, %s, %d, %q, { %s })", job.id, job.start or "nil", job.finish, job.outcome,
    table.concat(packets, ", "))
end

-- ---- life ----

local function notify(job)
  local waiting = job.waiting
  job.waiting = {}
  for _, task in ipairs(waiting) do loop.wake(task) end
end

--- Suspends until the job has a new packet or an outcome.
function jobs.wait(job)
  job.waiting[#job.waiting + 1] = coroutine.running()
  loop.park()
end

local advance

local function finish(job, outcome)
  if job.outcome then return end
  job.outcome, job.finish = outcome, os.time()
  if job.task then loop.drop(job.task) end
  note_end(job)
  notify(job)
  advance(job.queue)
end

local function run(job)
  if not is_known(job.call.host) then return jobs.failure("unknown_host", "unknown host") end
  local procedure, list = procedures.find(job.call.procedure, job.call.arguments)
  if not procedure then return json.encode{ error = list } end
  return json.encode(procedures.run(procedure, list, {
    sleep = loop.sleep,
    emit = function(value, is_last)
      job.packets[#job.packets + 1] = { text = json.encode(value), is_last = is_last }
      notify(job)
    end,
  }))
end

-- Stock takes `timeout` for both limits (protocol §1, 5).
local function limit(job)
  loop.sleep(job.call.timeout)
  finish(job, jobs.failure("timeout", #job.packets > 0 and "maximum execution time exceeded"
    or "reading result timed out"))
end

local function start(job)
  job.start = os.time()
  if job.call.timeout then loop.spawn(limit, job) end
  loop.spawn(function()
    job.task = coroutine.running()
    loop.sleep(options.latency or 0)
    finish(job, run(job))
  end)
end

-- ---- queues: from the first job to the last, with the first's concurrency ----

local function is_over(job) return job.outcome ~= nil end

local function purge(queue)
  for i = #queue, 1, -1 do
    if is_over(queue[i]) then table.remove(queue, i) end
  end
  if #queue == 0 then queues[queue.name] = nil end
end

function advance(queue)
  if not queue then return end
  purge(queue)
  for i = 1, math.min(queue.concurrency, #queue) do
    if not queue[i].start then start(queue[i]) end
  end
end

local function enqueue(job)
  local wanted = job.call.queue
  if not wanted then return start(job) end
  local name = json.encode(wanted.name)
  job.queue = queues[name] or { name = name, concurrency = wanted.concurrency or 1 }
  queues[name] = job.queue
  table.insert(job.queue, job)
  advance(job.queue)
end

-- ---- from outside ----

local function new_id()
  return (("xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx"):gsub("x", function()
    return ("%x"):format(math.random(0, 15))
  end))
end

local function add(id, call, submitted)
  local job = { id = id, call = call, submit = submitted, packets = {}, waiting = {},
    spurious = options.spurious or 0 }
  all[id] = job
  return job
end

function jobs.find(id) return all[id] end

function jobs.is_running(job) return job.start and not is_over(job) end

--- `text`: the request that was decoded to `call`.
function jobs.submit(call, text)
  local job = add(new_id(), call, os.time())
  note("submitted(%q, %d, %q)", job.id, job.submit, text)
  enqueue(job)
  return job
end

--- Whether there was anything to cancel.
function jobs.cancel(job)
  if is_over(job) then return false end
  finish(job, '{"cancelled":true}')
  return true
end

local function load_journal()
  local order = {}
  assert(loadfile(options.journal, "t", {
    submitted = function(id, time, text) order[#order + 1] = add(id, json.decode(text, true), time) end,
    ended = function(id, started, finished, outcome, packets)
      local job = all[id]
      job.start, job.finish, job.outcome = started, finished, outcome
      for i, packet in ipairs(packets) do job.packets[i] = { text = packet, is_last = i == #packets } end
    end,
  }))()
  return order
end

--- Options: journal (path), hosts (how many besides: web001…), latency (seconds
-- before a job says anything),
-- spurious (how many waits of each job are answered wrongly), forgets.
function jobs.open(settings)
  options = settings
  if not options.journal then return end
  assert(io.open(options.journal, "a")):close()
  for _, job in ipairs(load_journal()) do
    if not is_over(job) and options.forgets then
      job.outcome = jobs.MISSING
    elseif not is_over(job) then
      enqueue(job)
    end
  end
end

return jobs
