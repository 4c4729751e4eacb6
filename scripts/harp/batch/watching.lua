--- Looks at a run that another process runs, or ran, and tells an observer of
-- it. Nothing is changed by that. To the events of the journal come `attach`
-- (from here on it is told live) and the packets of the jobs that run.

local core = require "harp.core"
local journal = require "harp.batch.journal"
local new_record = require "harp.batch.record"
local outcomes = require "harp.batch.outcomes"
local tasks = require "harp.tasks"
local value = require "harp.value"

local watching = {}

local PAUSE = 0.1               -- seconds between two looks at a journal
local LISTED = 1                -- between two looks at a dispatcher's jobs
local QUIET = 3                 -- without a new job: nobody runs it any more
local OVERLAP = 10              -- jobs of so long before the last one are listed again
local RECENT = 10               -- packets of a job that runs, for a beginning
local PATIENCE = 1              -- for the last packets of a job that has ended
local AT_ONCE = 20              -- results that are asked for

local Watch = {}
Watch.__index = Watch

local function tell(self, event)
  event.time = event.time or core.time()
  self.record:apply(event)
  self.observer:event(event, self.record)
end

-- ---- jobs that run ----

-- Once: without packets there is still the journal.
local function complain(self, failure)
  if self.has_complained then return end
  self.has_complained = true
  io.stderr:write(("harp: the packets of jobs cannot be shown: %s\n"):format(
    require "harp.outcome".line(failure)))
end

local function follow(self, name, id)
  local options = self.is_all and { since = 0, numbered = true } or { recent = RECENT, numbered = true }
  local packets <close> = self.rpc:job(id):follow(options)
  for number, data in packets do
    tell(self, { event = "packet", host = name, job = id, number = number, data = data })
  end
end

-- The end of a host, as far as its job tells.
local function ending(name, id, result)
  local event = { event = "end", host = name, job = id, outcome = "ok" }
  if result == value.CALL_CANCELLED then
    event.outcome, event.message = "cancelled", "the job was cancelled"
  elseif core.is_error(result) then
    event.outcome, event.type, event.message = outcomes.of(result), result.type, result.message
  else
    event.value = result
  end
  return event
end

local function start_following(self, name, id)
  self.followers[name] = core.spawn(function()
    local well, failure = pcall(follow, self, name, id)
    if not well then complain(self, failure) end
  end)
end

-- Waits until the packets of a host's job have been told; were they?
local function finish_following(self, name)
  local follower = self.followers[name]
  if not follower then return false end
  self.followers[name] = nil
  pcall(tasks.timeout, PATIENCE, follower.join, follower)
  follower:cancel()
  return true
end

-- ---- a journal ----

-- The packets of a job that was over before it could be followed.
local function tell_packets(self, event)
  local packets = event.packets or {}
  local first = (event.count or #packets) - #packets - 1
  for number, data in ipairs(packets) do
    tell(self, {
      event = "packet", time = event.time, host = event.host, job = event.job, number = first + number, data = data,
    })
  end
end

local function ends_of(events)
  local ends = {}
  for _, event in ipairs(events) do
    if event.event == "end" then ends[event.host] = true end
  end
  return ends
end

local function take(self)
  local events = self.reader:take()
  local ends = ends_of(events)
  for _, event in ipairs(events) do
    if event.event == "end" and not finish_following(self, event.host) then tell_packets(self, event) end
    tell(self, event)
    if event.event == "job" and not ends[event.host] then start_following(self, event.host, event.job) end
  end
  return events[1] ~= nil
end

-- What was before: told only to who wants all of it.
local function replay(self)
  for _, event in ipairs(self.reader:take()) do
    if self.is_all then
      if event.event == "end" then tell_packets(self, event) end
      tell(self, event)
    else
      self.record:apply(event)
    end
  end
end

-- The jobs in flight, by their hosts.
local function jobs_in_flight(self)
  local list = {}
  for _, name in ipairs(self.record:list "running") do
    local host = self.record.by_host[name]
    if host.job then list[#list + 1] = { name = name, id = host.job } end
  end
  return list
end

local function attach(self) tell(self, { event = "attach", run = self.record.run }) end

-- A process has it: until that is gone, or has ended it.
local function watch_running(self)
  attach(self)
  for _, job in ipairs(jobs_in_flight(self)) do start_following(self, job.name, job.id) end
  while true do
    local is_running = journal.is_running(self.record.run)
    if not take(self) and not is_running then return end
    if self.record.finished and not is_running then return end
    core.sleep(PAUSE)
  end
end

-- Nobody has it: until the jobs that were left have ended. That they have is not
-- noted in the journal: who goes on with the run takes them up.
local function watch_left(self)
  local list = jobs_in_flight(self)
  if list[1] then attach(self) end
  tasks.map(list, function(job)
    follow(self, job.name, job.id)
    tell(self, ending(job.name, job.id, self.rpc:job(job.id):result{ wait = true }))
  end)
end

--- Watches a run by its journal until there is nothing more to see. Returns
-- its record, and whether a process ran it. options: run (its id), rpc (a
-- caller), observer, all (told from its beginning on).
function watching.journal(options)
  local reader <close> = journal.reader(options.run)
  local self = setmetatable({
    reader = reader, record = new_record(), observer = options.observer, rpc = options.rpc, is_all = options.all,
    followers = {},
  }, Watch)
  local is_running = journal.is_running(options.run)
  replay(self)
  if is_running then
    watch_running(self)
  elseif not self.record.finished then
    watch_left(self)
  end
  return self.record, is_running
end

-- ---- a dispatcher's jobs ----

-- What a job says of the run that it is of.
local function batch_of(job)
  local info = type(job.info) == "table" and job.info.batch
  return type(info) == "table" and type(info.host) == "string" and info or nil
end

-- The jobs of the run that have not been seen yet, the first one first.
local function new_jobs(self)
  local newest, list = {}, {}
  for job in self.rpc:jobs{ info = self.run, since = self.since } do
    local about = batch_of(job)
    if about and about.run == self.run and not self.seen[job.id] then
      self.seen[job.id] = true
      newest[#newest + 1] = { id = job.id, job = job, about = about, name = about.host }
      self.latest = math.max(self.latest or 0, job.time.submit)
    end
  end
  if self.latest then self.since = math.max(self.latest - OVERLAP, 0) end
  for i = #newest, 1, -1 do list[#list + 1] = newest[i] end
  return list
end

local function begin(self, found)
  local first = found[1]
  local total = math.tointeger(first.about.hosts)
  self.record:apply{
    event = "run", run = self.run, name = self.run, hosts = core.array{}, waves = core.array{ 0 },
    time = first.job.time.submit,
  }
  self.record.wave, self.record.is_elsewhere = 1, true
  self.record.total = total or 0
  self.record.counts.waiting = self.record.total
end

-- The hosts become known by their jobs.
local function add_host(self, name)
  local record = self.record
  if record.by_host[name] then return end
  record:add_host(name, 1)
  if #record.hosts > record.total then
    record.total, record.counts.waiting = record.total + 1, record.counts.waiting + 1
  end
end

-- Tells of a job, by what a journal would have had.
local function note_job(self, found, note)
  local time, key = found.job.time.submit, found.id
  add_host(self, found.name)
  note(self, { event = "start", host = found.name, attempt = math.tointeger(found.about.attempt) or 1, time = time })
  note(self, { event = "call", host = found.name, key = key, procedure = found.job.procedure, time = time })
  note(self, { event = "job", host = found.name, key = key, job = found.id, time = time })
end

local function apply(self, event) self.record:apply(event) end

-- Those that had ended before: told only to who wants all of it.
local function note_ended(self, list)
  local results = tasks.map(list, function(found) return self.rpc:job(found.id):result() end, { concurrency = AT_ONCE })
  local note = self.is_all and tell or apply
  for i, found in ipairs(list) do
    note_job(self, found, note)
    local event = ending(found.name, found.id, results[i])
    event.time = found.job.time["end"]
    note(self, event)
  end
end

local function watch_job(self, found)
  self.running = self.running + 1
  core.spawn(function()
    local well, failure = pcall(function()
      follow(self, found.name, found.id)
      tell(self, ending(found.name, found.id, self.rpc:job(found.id):result{ wait = true }))
    end)
    self.running = self.running - 1
    if not well then self.failure = self.failure or { failure } end
  end)
end

local function watch_list(self, list)
  for _, found in ipairs(list) do watch_job(self, found) end
  local quiet_since = core.now()
  while self.running > 0 or core.now() - quiet_since < QUIET do
    core.sleep(LISTED)
    if self.failure then error(self.failure[1], 0) end
    local more = new_jobs(self)
    if more[1] or self.running > 0 then quiet_since = core.now() end
    for _, found in ipairs(more) do
      note_job(self, found, tell)
      watch_job(self, found)
    end
  end
end

--- Watches a run by what a dispatcher of ours knows of its jobs, until none
-- runs and no new one comes. Returns its record, in which there are only
-- the hosts whose turn has come (`total` is how many it has) and `is_elsewhere` is
-- set; nil when there is no job of it. options as those of watching.journal.
function watching.jobs(options)
  local self = setmetatable({
    run = options.run, record = new_record(), observer = options.observer, rpc = options.rpc, is_all = options.all,
    seen = {}, running = 0, followers = {},
  }, Watch)
  local list = new_jobs(self)
  if not list[1] then return nil end
  begin(self, list)
  local ended, running = {}, {}
  for _, found in ipairs(list) do
    table.insert(found.job.state == "ended" and ended or running, found)
  end
  note_ended(self, ended)
  for _, found in ipairs(running) do note_job(self, found, self.is_all and tell or apply) end
  attach(self)
  watch_list(self, running)
  return self.record
end

return watching
