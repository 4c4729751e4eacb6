--- A host's turn in a batch: the host as its step sees it, whose calls are in
-- the journal before they are submitted, and the steps that are remembered.
--
-- When a step is run again, a call of it whose job is known (by harp.batch.calls) is
-- not submitted again: its job is taken up. One that was about to be submitted when
-- the process died is submitted with the same dedup key, where the dispatcher is
-- the same and knows such keys; elsewhere nobody can know whether it was accepted.

local callable = require "harp.callable"
local calls = require "harp.batch.calls"
local core = require "harp.core"
local journal = require "harp.batch.journal"
local outcomes = require "harp.batch.outcomes"
local plan = require "harp.batch.plan"
local value = require "harp.value"

local turn = {}

local Turn = {}
Turn.__index = Turn

local DEDUP_WINDOW = 24 * 3600  -- seconds: longer ago a call's fate is not known by its key
local MARGIN = 3600

local turns = setmetatable({}, { __mode = "k" })        -- by host

-- ---- calls ----

-- What a task of a turn is in: the turn, the name of a step, and which task of
-- those of the turn it is, by the order in which they were begun: "2.1" is the
-- first one of the second.
local Context = {}

local function new_context(self, step, task)
  return setmetatable({ turn = self, step = step, task = task or "", begun = 0 }, Context)
end

function Context:__child()
  self.begun = self.begun + 1
  return new_context(self.turn, self.step, ("%s%s%d"):format(self.task, self.task == "" and "" or ".", self.begun))
end

-- The turn that the running task belongs to.
local function current()
  local context = core.context()
  return getmetatable(context) == Context and context.turn or nil
end

-- Its context there; of another turn, or of none, it is in no step.
local function context_of(self)
  if current() == self then return core.context() end
  return new_context(self)
end

-- Options: those of the batch, with what the step says on top.
local function options_of(self, step, own)
  local run = self.run
  local all = {
    timeout = run.timeout, max_exec_time = run.timeout, queue = run:queue_of(self.name),
    info = { batch = {
      run = run.id, host = self.name, step = step, attempt = self.attempt, hosts = #run.record.hosts,
    } },
  }
  for name, v in pairs(own) do
    if name == "info" then all.info.info = v else all[name] = v end
  end
  return all
end

-- Does the dispatcher still know the dedup key of a call?
local function is_known(run, call)
  return call.is_keyed and run.is_extended and run.is_remembered and call.dispatcher == run.record.dispatcher
    and core.time() - call.time < DEDUP_WINDOW - MARGIN
end

-- Of a call that was about to be submitted before: may it be so again?
local function check_fate(self, call)
  if call.refused or is_known(self.run, call) then return end
  calls.doubt("the run was cut off while %s was submitted: it is not known whether it was accepted", call.procedure)
end

-- Has the call certainly not been accepted? A dispatcher whose disk fails does not
-- know, either.
local function was_refused(failure)
  if not core.is_error(failure) then return true end
  return failure.type ~= "unknown_outcome" and failure.type ~= "system_error" and failure.kind ~= "CancelledException"
end

-- Is it the dispatcher that is gone? With a dedup key its answer can still be
-- had when it is there again.
local function is_lost(run, failure)
  return core.is_error(failure, "CommunicationError") and (run.is_extended or failure.type ~= "unknown_outcome")
end

-- The journal has it first, but for what cannot be submitted; on disk, too, where
-- the dispatcher would not know the call again. Returns its key, and what pcall does.
local function try(self, call, key, own)
  local run = self.run
  local options = options_of(self, call.step, own)      -- during which others may be made
  key = key or self.ledger:new_key(call)
  if run.is_extended then
    options.dedup = { key = { batch = run.id, host = self.name, call = key }, window = DEDUP_WINDOW }
  end
  local host = run.caller:host(self.name, options)
  run:note{
    event = "call", host = self.name, attempt = self.attempt, step = call.step, key = key,
    procedure = call.procedure, arguments = call.digest, is_keyed = run.is_extended,
  }
  if not run.is_extended then run:sync() end
  if core.is_array(call.arguments) then
    return key, pcall(host:procedure(call.procedure), table.unpack(call.arguments))
  end
  return key, pcall(host:procedure(call.procedure), call.arguments)
end

-- Of one that the dispatcher, or harp itself, has refused the error is kept: it
-- is raised again where the step is run again, which may have gone on with it.
local function note_refusal(self, key, failure)
  local text, kept = journal.text(tostring(failure):match "[^\n]*"), nil
  if core.is_error(failure) and not self.lost[failure] then
    kept = { kind = failure.kind, type = failure.type, message = journal.text(failure.message or "") }
  end
  self.run:note{ event = "refused", host = self.name, key = key, message = text, failure = kept }
end

-- The end of the journal may have been lost with the machine: is what a dedup key
-- found the same call? The dispatcher may have forgotten it.
local function check_duplicate(self, call, job)
  if not job:is_duplicate() then return end
  local well, arguments = pcall(job.args, job)
  if not well and core.is_error(arguments, "CommunicationError") then
    self.lost[arguments] = true
    error(arguments, 0)
  end
  if well and not self.ledger:has_arguments(call, arguments) then
    calls.doubt("%s was called with other arguments before: it is not known whether this call was accepted",
      call.procedure)
  end
end

-- Submits a call, under the key that it had before or a new one; its job.
local function submit_now(self, call, known_key, own)
  local run = self.run
  local key, well, job = try(self, call, known_key, own)
  if well then
    check_duplicate(self, call, job)
    run:note{ event = "job", host = self.name, key = key, job = job:id() }
    return job
  end
  if is_lost(run, job) then self.lost[job] = true end
  if was_refused(job) then note_refusal(self, key, job) end
  error(job, 0)
end

local function submit(self, procedure, own, arguments)
  local run, context = self.run, context_of(self)
  if self.is_over then
    error(("the step of %s is over: what its tasks call has to be joined there"):format(self.name), 3)
  end
  local call = self.ledger:describe(procedure, arguments, context.step, context.task)
  local known = self.ledger:take(call)
  local before = known and known.call
  if before and before.job then return run.caller:job(before.job) end
  if before and before.failure then error(core.error(before.failure), 0) end
  if before then check_fate(self, before) end
  run:begin_submit()
  self.submits = self.submits + 1
  local well, job = pcall(submit_now, self, call, known and known.key, own)
  run:end_submit()
  self.submits = self.submits - 1
  if not well then error(job, 0) end
  return job
end

-- ---- the host of a step ----

local Host = { __name = "harp.batch.host" }

-- What a host is, kept apart from it: every field name is a procedure's.
local private = setmetatable({}, { __mode = "k" })

local function new_host(self, options)
  local host = setmetatable({}, Host)
  private[host], turns[host] = { turn = self, options = options }, self
  return host
end

callable(Host, function(host, procedure, arguments)
  local own = private[host]
  if own.turn.run.is_dry then return plan.note_call(own.turn.calls, procedure, arguments) end
  return submit(own.turn, procedure, own.options, arguments)
end, "a host has no field %q to set; use host{option = value}")

-- What is wrong with the options is said by a real host.
function Host:__call(options)
  local own, all = private[self], {}
  if type(options) ~= "table" then
    error("host{option = value} takes a table of options; to call a procedure: host.NAME(...)", 2)
  end
  if options.dedup ~= nil then
    error("the calls of a batch have dedup keys of their own, by which it knows them: leave out dedup", 2)
  end
  for name, v in pairs(own.options) do all[name] = v end
  for name, v in pairs(options) do all[name] = v end
  own.turn.run.caller:host(own.turn.name, all)
  return new_host(own.turn, all)
end

function Host:__tostring() return private[self].turn.name end

-- ---- remembered steps ----

local function fail(text, ...) error(("batch.step: " .. text):format(...), 3) end

-- What a step has come to. A job is waited for; what a job's end was like, as
-- result() returns it, counts as it does for a host.
local function wait_for(v)
  if plan.is_job(v) then return v:get() end
  if core.is_error(v) then error(v, 0) end
  if v == value.CALL_CANCELLED then error(outcomes.cancelled(), 0) end
  return v
end

-- What it returns has to be remembered.
local function remember(self, name, v)
  self.run:check_left()
  local well, complaint = pcall(core.encode, { v })
  if not well then fail("what step %q returns cannot be remembered: %s", name, tostring(complaint)) end
  self.run:note{ event = "step", host = self.name, name = name, value = v }
  self.run:sync()
  return v
end

local function enter(self, path, fn, host)
  local outer = core.context()
  core.set_context(new_context(self, path, context_of(self).task))
  local results = table.pack(pcall(function() return wait_for(fn(host)) end))
  core.set_context(outer)
  if not results[1] then error(results[2], 0) end
  return results[2]
end

-- The names of steps in one that is not run again are in use, too.
local function see_inner(self, path)
  for name in pairs(self.record.steps) do
    if name:sub(1, #path + 1) == path .. "/" then self.seen[name] = true end
  end
end

--- batch.step(name, fn): what fn(host) returns; of a host whose step of that name
-- has ended before, what it returned then. A job is waited for.
function Turn:run_step(name, fn, host)
  if type(name) ~= "string" or name == "" or not utf8.len(name) then fail "a step has a name, a text in UTF-8" end
  if type(fn) ~= "function" then fail("step %q has no function", name) end
  local outer = context_of(self).step
  local path = outer and outer .. "/" .. name or name
  if self.seen[path] then fail("there are two steps %q of one host: give each a name of its own", path) end
  self.seen[path] = true
  local before = self.record.steps[path]
  if before then
    see_inner(self, path)
    return before.value
  end
  local v = enter(self, path, fn, host or self.host)
  if self.run.is_dry then return v end
  return remember(self, path, v)
end

--- Where in a step of a batch we are, as a text: a batch that is begun there is that
-- of this place. nil outside of steps.
function turn.place()
  local self = current()
  if not self or self.run.is_dry then return nil end
  local context = core.context()
  return core.encode(core.array{
    self.run.id, self.name, self.attempt, context.step or core.null, context.task,
  })
end

--- What a batch within a step begins is not of the step: until this is closed.
function turn.aside()
  local outer = core.context()
  if outer ~= nil then core.set_context(nil) end
  return setmetatable({}, { __close = function() if outer ~= nil then core.set_context(outer) end end })
end

--- batch.step([host,] name, fn)
function turn.step(first, ...)
  local by_host = turns[first]
  if by_host then return by_host:run_step(..., select(2, ...), first) end
  local self = current()
  if not self then fail "this is not the step of a batch" end
  return self:run_step(first, (...))
end

--- A turn of a host: `run` is the runner, `record` the host's. Of it: `lost`, a set
-- of the failures that say that the dispatcher is gone; `calls`, a dry run's.
function turn.new(run, record, attempt)
  local self = setmetatable({
    run = run, record = record, name = record.name, attempt = attempt, seen = {}, lost = {}, calls = {},
    submits = 0, ledger = calls.new(run.id, record, attempt),
  }, Turn)
  self.host = new_host(self, {})
  return self
end

--- Calls step(host, name) in this task: true and what it returns, or false and
-- what it raised, a text with a traceback where it is an error of Lua. It is over
-- when all that its tasks submit has been.
function Turn:call(step)
  local outer = core.context()
  core.set_context(new_context(self))
  local results = table.pack(xpcall(step, function(failure)
    if type(failure) == "string" then return debug.traceback(failure, 2) end
    return failure
  end, self.host, self.name))
  core.set_context(outer)
  self.is_over = true
  while self.submits > 0 do core.sleep(0.01) end
  return results[1], results[2]
end

--- Is a step's function called by a dry run?
function turn.is_dry()
  local self = current()
  return self ~= nil and self.run.is_dry or false
end

return turn
