--- Runs a chunk of the prompt.

local show = require "harp.repl.show"

local run = {}

--- Is an error Ctrl-C?
function run.is_interrupt(failure)
  return type(failure) == "string" and (failure == "interrupted" or failure:find ":%d+: interrupted$" ~= nil)
end

--- A chunk, as an expression or else as statements; nil and what is wrong.
function run.compile(session, text, name)
  name = name or "=prompt"
  if session.frame then session.frame:show(session.scope) end
  local fn = session.scope:compile("return " .. text, name)
  if fn then return fn end
  return session.scope:compile(text, name)
end

-- ---- what went wrong ----

-- The job that a value of a frame stands for: one that is waited for, or whose
-- packets a loop takes.
local function job_of(name, v, is_ours)
  local class = show.class_of(v)
  if class == "harp.stream" and (is_ours or name == "(for state)") then return not v.ended and v.job end
  if class == "harp.job" and is_ours then return v end
end

-- The jobs that the stack waits for.
local function jobs_on_stack()
  local jobs, level = {}, 3
  while true do
    local about = debug.getinfo(level, "S")
    if not about then return jobs end
    local is_ours = about.source:find "^=harp/" ~= nil
    local i = 1
    while true do
      local name, v = debug.getlocal(level, i)
      if not name then break end
      local job = job_of(name, v, is_ours)
      if job then jobs[job.job_id] = job end
      i = i + 1
    end
    level = level + 1
  end
end

-- The frames above the chunk; nil when there are none but built-in ones.
local function traceback()
  local text = debug.traceback(nil, 3)
  local lines, count = {}, 0
  for line in text:gmatch "\n([^\n]+)" do
    if line:find "in function 'xpcall'" then break end
    lines[#lines + 1] = line
    if not line:find "%[C%]" then count = count + 1 end
  end
  return count > 1 and table.concat(lines, "\n", 1, #lines - 1) or nil
end

local function on_failure(failure)
  if run.is_interrupt(failure) then return { interrupted = true, jobs = jobs_on_stack() } end
  return { failure = failure, traceback = type(failure) == "string" and traceback() or nil }
end

-- On a terminal ^C stands before it.
local function tell(session, trouble)
  if not trouble.interrupted then return print(show.failure(trouble.failure, trouble.traceback)) end
  print((session.editor and "\n" or "") .. show.paint("failure", "interrupted"))
  for id in pairs(trouble.jobs) do
    print(("job %s goes on; rpc:job(%q):follow{ since = 0 } comes back to it, :cancel() ends it"):format(id, id))
  end
end

-- ---- running ----

--- Runs a function with arguments; its results (table.pack), or nil when it
-- failed, which was told then.
function run.protected(session, fn, ...)
  local results = table.pack(xpcall(fn, on_failure, ...))
  if session.frame then session.frame:take_back() end
  io.flush()
  if results[1] then return { n = results.n - 1, table.unpack(results, 2, results.n) } end
  tell(session, results[2])
end

--- The same for a chunk; prints its results, and keeps the first one in `_`.
function run.call(session, fn)
  local results = run.protected(session, fn)
  if not results or results.n == 0 then return end
  rawset(_G, "_", results[1])
  local ok, text = pcall(show.values, results)
  print(text)
  return ok
end

return run
