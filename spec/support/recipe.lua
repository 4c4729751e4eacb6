--- A recipe as a process of its own, that is killed and run again, and the
-- journals that it leaves in a directory of its own.

local harness = require "spec.support.harness"
local harp = require "harp"
local lfs = require "lfs"

local recipe = {}

--- The beginning of a file of procedures, for string.format with a directory: what
-- they note is added to the file `runs` there, a line each time; and they can stay
-- until a file is there.
recipe.NOTE = [[
local harp = require "harp"
local directory = %q
local function note(...)
  local file <close> = assert(io.open(directory .. "/runs", "a"))
  file:write(table.concat({ ... }, " ") .. "\n")
end
local function until_there(path)
  local file
  repeat harp.sleep(0.01) file = io.open(path) until file
  file:close()
end
]]

--- The same with procedures that recipes call.
recipe.PROCEDURES = recipe.NOTE .. [[
procedure("sum", function(a, b) return a + b end)
procedure("sleep", function(seconds) harp.sleep(seconds) return "slept" end)
procedure("mark", function(...) note(...) return "marked" end)
procedure("echo", function(what) note(what) return what end)
procedure("stay", function(what, seconds) note(what, "in") harp.sleep(seconds) note(what, "out") end)
procedure("fail", function() error{ type = "paper", message = "out of paper" } end)
procedure("flaky", function(what, times)
  note(what)
  local count = 0
  for line in io.lines(directory .. "/runs") do
    if line == what then count = count + 1 end
  end
  if count <= times then error{ type = "paper", message = "failure " .. count } end
  return count
end)
]]

local Recipe = {}
Recipe.__index = Recipe

--- A recipe: Lua text, in which `rpc` is the caller and `batch` is harp.batch.
-- options: directory (default a new one), caller (Lua text of options).
function recipe.new(address, text, options)
  options = options or {}
  local directory = options.directory or harness.directory()
  return setmetatable({
    directory = directory,
    script = harness.write(directory .. "/recipe.lua", ([[
local harp, batch = require "harp", require "harp.batch"
local rpc = harp.caller{ host = %q, %s }
]]):format(address, options.caller or "") .. text),
  }, Recipe)
end

--- The command line. `before`: what is in front of harp, such as settings of
-- its environment; `words`: what is run instead of the script.
function Recipe:command(before, words)
  return ("XDG_STATE_HOME=%s XDG_CONFIG_HOME=%s %s %s run %s"):format(
    self.directory, self.directory, before or "", harness.program, words or self.script)
end

--- Runs it: what it wrote, what it complained of, its status.
function Recipe:run(before, words)
  local errors = self.directory .. "/errors"
  local output, status = harness.shell(self:command(before, words) .. " 2>" .. errors)
  return output, harness.read(errors), status
end

function Recipe:resume(run, before) return self:run(before, "--resume " .. run) end

--- Begins it; returns a function that waits for its end and returns the same as run.
function Recipe:start(before, words)
  local errors = self.directory .. "/errors"
  local wait = harness.begin(self:command(before, words) .. " 2>" .. errors)
  return function()
    local output, status = wait()
    return output, harness.read(errors), status
  end
end

--- Sends a signal to one that was begun with these words.
function Recipe:signal(name, words)
  harness.shell(("pkill -%s -f 'harp run %s$'"):format(name, words or self.script))
end

--- The ids of runs of a name.
function Recipe:ids(name)
  local list, runs = {}, self.directory .. "/harp/runs"
  for _, file in ipairs(lfs.attributes(runs) and harness.files(runs) or {}) do
    local id, of = file:match "^(([%w_-]+)%-%w+)%.jsonl$"
    if of == name then list[#list + 1] = id end
  end
  return list
end

function Recipe:path(id) return ("%s/harp/runs/%s.jsonl"):format(self.directory, id) end

--- The events of a run's journal. Its end may be torn while nobody has opened
-- it since its writer died.
function Recipe:events(id)
  local list = {}
  for line in harness.read(self:path(id)):gmatch "([^\n]*)\n" do list[#list + 1] = harp.decode(line) end
  return list
end

--- Waits until the journal of a run of that name has `count` (1) events of a kind:
-- its process knows of them.
function Recipe:await(name, kind, count)
  harness.eventually(function()
    local id = self:ids(name)[1]
    return id and select(2, harness.read(self:path(id)):gsub(('"event":%q'):format(kind), "")) >= (count or 1)
  end)
end

-- Adds what an event says of its host.
local function take(host, event)
  if event.event == "call" then
    host.calls[event.key] = true
  elseif event.event == "job" then
    assert(host.calls[event.key], "a job of no call: " .. event.key)
    assert(not host.jobs[event.key], "a call with two jobs: " .. event.key)
    host.jobs[event.key] = event.job
  elseif event.event == "end" then
    assert(not host.outcome, "a host that ended twice: " .. host.name)
    host.outcome, host.value, host.attempts, host.type = event.outcome, event.value, event.attempts, event.type
  end
end

--- Of a run that is over: name → { outcome, value, attempts, jobs by key, calls }.
-- Its journal must be well-formed: each line an event, one first and one last
-- event, all hosts ended once, each call with a job of its own.
function Recipe:over(id)
  local text, events, hosts, jobs = harness.read(self:path(id)), self:events(id), {}, {}
  assert(text:sub(-1) == "\n" and events[1].event == "run" and events[#events].event == "finish", "no whole journal")
  for _, name in ipairs(events[1].hosts) do hosts[name] = { name = name, calls = {}, jobs = {} } end
  for i = 2, #events do
    assert(events[i].event ~= "run" and events[i].time >= events[1].time)
    if events[i].host then take(hosts[events[i].host], events[i]) end
  end
  for name, host in pairs(hosts) do
    for _, job in pairs(host.jobs) do
      assert(not jobs[job], name .. " has the job of another call")
      jobs[job] = true
    end
  end
  return hosts, events
end

return recipe
