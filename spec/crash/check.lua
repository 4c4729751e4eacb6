--- What must hold of a dispatcher, given what its clients saw.

local harness = require "spec.support.harness"
local harp = require "harp"
local clients = require "spec.crash.clients"

local check = {}

local function fail(format, ...) error(format:format(...), 0) end

local function ask(server, request)
  request.harpcaller = 1
  local lines, closed, reason = harness.ask(server, harp.encode(request) .. "\n")
  if not closed or #lines == 0 then fail("%s: no answer (%s)", harp.encode(request), reason or "closed") end
  return lines
end

function check.alive(server)
  if not server:is_alive() then fail "the dispatcher is gone" end
end

local function list_jobs(server)
  local jobs = {}
  local lines = ask(server, { list_jobs = {} })
  if lines[#lines] ~= '{"end":true}' then fail("a list of jobs ended with %s", lines[#lines]) end
  for i = #lines - 1, 1, -1 do jobs[#jobs + 1] = harp.decode(lines[i]).job end
  return jobs                   -- in the order of submission
end

-- Which argument ran how often, and in which order.
local function read_runs(path)
  local counts, order = {}, {}
  for tag in io.lines(path) do
    counts[tag] = (counts[tag] or 0) + 1
    order[#order + 1] = tag
  end
  return counts, order
end

-- ---- one job ----

-- Waits for its outcome, and compares the stream with what was seen.
local function read_job(server, job)
  local outcome = ask(server, { get_result = job.id, wait = true })[1]
  local lines = ask(server, { read_stream = job.id, since = 0 })
  if lines[#lines] ~= outcome then fail("job %s: %s in its stream, and %s", job.id, lines[#lines], outcome) end
  for i = 1, #lines - 1 do clients.take_line(job, lines[i], harp.decode(lines[i])) end
  for number in pairs(job.packets) do
    if number >= #lines - 1 then fail("job %s: packet %d is lost", job.id, number) end
  end
  job.lenient = true
  clients.take_line(job, outcome, harp.decode(outcome))
  return harp.decode(outcome), #lines - 1
end

local function check_call(round, server, job)
  local call = harp.decode(ask(server, { get_status = job.id })[1]).call
  if not call and round.pruned and job.outcome then return end
  if not call then fail("job %s was acknowledged, and is lost", job.id) end
  if harp.encode(call.arguments) ~= harp.encode(job.call.arguments) then
    fail("job %s: other arguments", job.id)
  end
end

-- With `lenient`, disks and daemons may have failed while the job ran.
local function check_outcome(round, job, outcome, packets)
  local failure = outcome.error and outcome.error.type
  if failure then
    if failure ~= "missing_result" and not round.lenient then
      fail("job %s ended with %s", job.id, harp.encode(outcome))
    end
  elseif outcome.cancelled then
    return
  elseif job.call.procedure == "count" and packets ~= job.call.arguments[2] then
    fail("job %s: %d packets of %d", job.id, packets, job.call.arguments[2])
  elseif outcome.result == nil then
    fail("job %s ended with %s", job.id, harp.encode(outcome))
  end
  if job.cancelled then fail("job %s: cancelled, and %s", job.id, harp.encode(outcome)) end
end

local function check_runs(job, outcome, runs)
  if runs > 1 then fail("job %s ran %d times", job.id, runs) end
  if outcome.result ~= nil and runs ~= 1 then fail("job %s has a result, and did not run", job.id) end
end

-- ---- all of them ----

local function check_order(jobs, order, outcomes)
  local place = {}
  for i, tag in ipairs(order) do place[tag] = i end
  local last = 0
  for _, job in ipairs(jobs) do
    local tag = job.arguments[1]
    -- Of a queue with one place; the daemon may be late with one that was cut.
    if job.queue ~= harp.null and job.queue.q == 1 and place[tag] and outcomes[job.id].result ~= nil then
      if place[tag] < last then fail("job %s ran before one that was queued earlier", job.id) end
      last = place[tag]
    end
  end
end

-- Without a doubt.
local function was_refused(seen, tag)
  local message = seen.refused[tag]
  return message and not message:find "may be found done after a restart"
end

--- Each job that there is ends, and is as it was seen.
function check.all(round, server)
  local seen, outcomes = round.seen, {}
  for _, job in pairs(seen.jobs) do check_call(round, server, job) end
  local jobs = list_jobs(server)
  for _, listed in ipairs(jobs) do
    local job = seen.jobs[listed.id] or { id = listed.id, call = listed, packets = {} }
    local outcome, packets = read_job(server, job)
    check_outcome(round, job, outcome, packets)
    outcomes[listed.id] = outcome
  end
  local counts, order = read_runs(round.runs)
  for _, listed in ipairs(jobs) do
    local tag = listed.arguments[1]
    if was_refused(seen, tag) then fail("job %s was refused, and is there", listed.id) end
    check_runs(listed, outcomes[listed.id], counts[tag] or 0)
  end
  for tag, times in pairs(counts) do
    if times > 1 then fail("%s ran %d times", tag, times) end
    if was_refused(seen, tag) then fail("%s was refused, and ran", tag) end
  end
  check_order(jobs, order, outcomes)
end

return check
