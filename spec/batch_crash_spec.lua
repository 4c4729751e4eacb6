-- A batch whose recipe, dispatcher, connection or disk fails it at a bad
-- moment, and that goes on: nothing runs twice, and no outcome is lost.

local harness = require "spec.support.harness"
local recipe = require "spec.support.recipe"
local harp = require "harp"
local socket = require "socket"

local FAULT = os.getenv "HARP_BUILD" .. "/fault.so"
local KILLED = 128 + 9
local KILL_WITHIN = 0.2         -- seconds

-- Each adds a line to a file when it runs; `flaky` fails once for each host.
local PROCEDURES = [[
local harp = require "harp"
local directory = %q
local function note(...)
  local file <close> = assert(io.open(directory .. "/runs", "a"))
  file:write(table.concat({ ... }, " ") .. "\n")
end
procedure("mark", function(run, name, what, seconds)
  note(run, name, what)
  harp.sleep(seconds or 0)
  return name .. " " .. what
end)
procedure("flaky", function(run, name)
  note(run, name, "flaky")
  local path = directory .. "/failed " .. run .. " " .. name
  local file = io.open(path)
  if file then file:close() return "late" end
  assert(io.open(path, "w")):close()
  error{ type = "paper", message = "not yet" }
end)
]]

-- Waves, a step of one call.
local ONE = [[
batch.run{
  name = arg[1], caller = rpc, hosts = arg[2], serial = { 7, "100%" }, concurrency = 10, show = "none",
  step = function(host, name) return host.mark(arg[1], name, "only", tonumber(arg[3] or 0)) end,
}]]

-- Steps that are remembered, a call that fails in the first attempt, one after it.
local MANY = [[
batch.run{
  name = arg[1], caller = rpc, hosts = arg[2], serial = { 2, "100%" }, concurrency = 10, show = "none",
  retries = { 1, backoff = 0 },
  step = function(host, name)
    local first = batch.step("first", function() return host.mark(arg[1], name, "first"):get() end)
    local second = batch.step("second", function(same) return same.mark(arg[1], name, "second") end)
    return { first, second, host.flaky(arg[1], name):get(), host.mark(arg[1], name, "last"):get() }
  end,
}]]

describe("a batch", function()
  local directory, daemon, dispatcher, rpc

  local function start_dispatcher(options)
    local server = harness.dispatcher{ daemon = daemon, directory = options and options.directory, settings = [[
      for i = 1, 200 do hosts[("web%03d"):format(i)] = hosts.localhost end
      max_exec_time = 100]] }
    -- The same address after a restart.
    local config = server.directory .. "/dispatcher.lua"
    harness.write(config, (harness.read(config):gsub("127%.0%.0%.1:0", server.address)))
    return server
  end

  setup(function()
    directory = harness.directory()
    daemon = harness.daemon{ procedures = PROCEDURES:format(directory), settings = "max_children = 1000" }
    dispatcher = start_dispatcher()
    rpc = harp.caller(dispatcher.address)
  end)

  before_each(function() harness.write(directory .. "/runs", "") end)

  teardown(harness.clean_up)

  -- How often each call ran: "run host what" → times.
  local function counts()
    local list = {}
    for line in io.lines(directory .. "/runs") do list[line] = (list[line] or 0) + 1 end
    return list
  end

  -- The dispatcher's jobs of a run: a set of ids.
  local function jobs_of(id)
    local set = {}
    for job in rpc:jobs{ info = id } do set[job.id] = true end
    return set
  end

  local function host_name(i) return ("web%03d"):format(i) end

  -- What each host's calls must have become: each ran once, flaky twice.
  local TIMES = { one = { only = 1 }, many = { first = 1, second = 1, flaky = 2, last = 1 } }
  local VALUES = {
    one = function(name) return name .. " only" end,
    many = function(name) return { name .. " first", name .. " second", "late", name .. " last" } end,
  }

  local function check_host(kind, name, host)
    assert.same({ "ok", VALUES[kind](name), kind == "many" and 2 or 1 }, { host.outcome, host.value, host.attempts })
  end

  -- A run is over, all went well: what ran, what the journal has and what the
  -- dispatcher has are the same.
  local function check_exact(one, kind, name, count)
    local ids = one:ids(name)
    assert.equal(1, #ids)
    local hosts = one:over(ids[1])
    local ran, jobs, total = counts(), jobs_of(ids[1]), 0
    for i = 1, count do
      check_host(kind, host_name(i), hosts[host_name(i)])
      for what, times in pairs(TIMES[kind]) do
        local line = ("%s %s %s"):format(name, host_name(i), what)
        assert.equal(times, ran[line], line)
        ran[line] = nil
      end
      for key, job in pairs(hosts[host_name(i)].jobs) do
        assert.truthy(jobs[job], key)
        jobs[job] = nil
        total = total + 1
      end
    end
    for line in pairs(ran) do assert.not_equal(name, line:match "^%S+", line) end
    assert.is_nil(next(jobs), "a job of which the journal knows nothing")
    return total
  end

  -- It says nothing, calls nothing, and leaves its journal as it is.
  local function check_nothing_left(one, name)
    local id = one:ids(name)[1]
    local journal, ran = harness.read(one:path(id)), harness.read(directory .. "/runs")
    assert.same({ "", "", 0 }, { one:resume(id) })
    assert.equal(journal, harness.read(one:path(id)))
    assert.equal(ran, harness.read(directory .. "/runs"))
  end

  local function is_over(one, id)
    local text = harness.read(one:path(id))
    return text:find '\n{[^\n]*"event":"finish"[^\n]*\n$' ~= nil
  end

  -- How a recipe goes on that was killed: by --resume with the run's id or name,
  -- or simply again. One that died before it had a journal begins.
  local function words_for(one, name, count)
    local id = one:ids(name)[1]
    local has_begun = id and harness.read(one:path(id)):find "\n"
    if has_begun and (is_over(one, id) or math.random(2) == 1) then
      return "--resume " .. (math.random(2) == 1 and id or name)
    end
    return ("%s %s 'web[001-%03d]'"):format(one.script, name, count)
  end

  -- Kills a recipe until it is over; returns how often.
  local function kill_until_over(one, name, count, least, most)
    local kills = 0
    while true do
      local seconds = least + math.random() * (most - least)
      local _, errors, status = one:run(("timeout -s KILL %.3f"):format(seconds), words_for(one, name, count))
      if status ~= KILLED then
        assert.same({ "", 0 }, { errors, status })
        return kills
      end
      kills = kills + 1
    end
  end

  for kind, text in pairs{ one = ONE, many = MANY } do
    it("is killed with -9 at random points, and resumed: each call of 200 hosts ran exactly once: " .. kind, function()
      math.randomseed(os.time())
      local one, kills, runs = recipe.new(dispatcher.address, text), 0, 0
      while kills < 100 do
        runs = runs + 1
        local name = kind .. runs
        kills = kills + kill_until_over(one, name, 200, 0.02, KILL_WITHIN)
        check_exact(one, kind, name, 200)
        check_nothing_left(one, name)
      end
    end)
  end
end)
