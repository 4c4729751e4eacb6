--- What can be built from spawn, join and events.

local core = require "harp.core"

local tasks = {}

local function cancel_all(list)
  for _, task in ipairs(list) do task:cancel() end
end

-- Joins workers, which do not fail: what is raised is of the task that joins.
local function join_all(list)
  for _, task in ipairs(list) do
    local ok, failure = pcall(task.join, task)
    if not ok then
      cancel_all(list)
      error(failure, 0)
    end
  end
end

-- A context as a task would have it that is spawned in that one.
local function child_of(context)
  local metatable = getmetatable(context)
  local child = type(metatable) == "table" and metatable.__child
  return child and child(context) or context
end

--- Calls `fn(item, index)` for every item, and returns the results in order.
-- options.concurrency: how many at once (default: all). The first error
-- cancels what is still running and is raised.
function tasks.map(list, fn, options)
  local count = #list
  local width = options and options.concurrency or count
  if math.type(width) ~= "integer" or width < (count == 0 and 0 or 1) then
    error("harp.map: concurrency must be an integer of at least 1", 2)
  end
  local results, workers, index, failure = {}, {}, 0, nil
  local context = core.context()
  local begun = {}              -- the workers that can be cancelled: the others end by themselves, without an error
  local function work()
    while index < count and not failure do
      index = index + 1
      local at = index
      core.set_context(child_of(context))       -- the same each time, whichever worker this is
      results[at] = fn(list[at], at)
    end
  end
  local function worker(number)
    begun[#begun + 1] = workers[number]
    local ok, reason = pcall(work)
    if not ok and not failure then
      failure = { reason }
      cancel_all(begun)
    end
  end
  for i = 1, math.min(width, count) do workers[i] = core.spawn(worker, i) end
  join_all(workers)
  if failure then error(failure[1], 0) end
  return results
end

--- Waits for every task of a list; returns their (first) results in order. As
-- soon as one of them fails the others are cancelled, and its error is raised.
function tasks.all(list)
  local results, left, failure, over = {}, #list, nil, core.event()
  local watchers = {}
  for i, task in ipairs(list) do
    watchers[i] = core.spawn(function()
      local ok, result = pcall(task.join, task)
      results[i], left = result, left - 1
      if not ok and not failure then failure = { result } end
      if failure or left == 0 then over:fire() end
    end)
  end
  local ok, reason = true, nil
  if left > 0 then ok, reason = pcall(over.wait, over) end
  if not ok then failure = { reason } end
  if not failure then return results end
  cancel_all(watchers)
  cancel_all(list)
  error(failure[1], 0)
end

--- Waits for the first task of a list to end, cancels the others, and returns
-- its results, or raises its error.
function tasks.any(list)
  if #list == 0 then error("harp.any: the list is empty", 2) end
  local first, ended = nil, core.event()
  local watchers = {}
  for i, task in ipairs(list) do
    watchers[i] = core.spawn(function()
      pcall(task.join, task)
      first = first or task
      ended:fire()
    end)
  end
  local ok, failure = pcall(ended.wait, ended)
  cancel_all(watchers)
  for _, task in ipairs(list) do
    if task ~= first then task:cancel() end
  end
  if not ok then error(failure, 0) end
  return first:join()
end

--- Calls `fn(...)`; raises a TimeoutError when it takes longer than `seconds`.
function tasks.timeout(seconds, fn, ...)
  if type(seconds) ~= "number" or not (seconds >= 0 and seconds <= 1e9) then
    error("harp.timeout: seconds must be from 0 to 1e9", 2)
  end
  local task = core.spawn(fn, ...)
  local alarm = core.alarm(task, seconds)
  local results = table.pack(pcall(task.join, task))
  local rang = alarm:close()
  if results[1] then return table.unpack(results, 2, results.n) end
  task:cancel()
  if rang and core.is_error(results[2], "CancelledException") then
    error(core.error{
      kind = "TimeoutError", type = "timeout",
      message = ("not done after %g s"):format(seconds),
    }, 0)
  end
  error(results[2], 0)
end

--- Waits for an event, or for Ctrl-C (core.interrupts), for so many seconds at
-- most; did it come?
function tasks.await(event, seconds)
  local came, failure = pcall(tasks.timeout, seconds, event.wait, event)
  if not came and not core.is_error(failure, "TimeoutError") then error(failure, 0) end
  return came
end

return tasks
