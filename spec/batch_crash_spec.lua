-- A batch whose recipe, dispatcher, connection or disk fails it at a bad
-- moment, and that goes on: nothing runs twice, and no outcome is lost.

local harness = require "spec.support.harness"
local recipe = require "spec.support.recipe"
local harp = require "harp"

local FAULT = os.getenv "HARP_BUILD" .. "/fault.so"
local KILLED = 128 + 9
local KILL_WITHIN = 0.09        -- seconds
local KILLS = tonumber(os.getenv "KILLS") or 15         -- of a kind
local HOSTS = math.min(2 * KILLS, 200)
local STEP = KILLS < 100 and 4 or 1     -- from write to write

-- Each adds a line to a file when it runs; `stay` stays until a file is there, `flaky`
-- fails once for each host, and `hang` hangs once, and says so.
local PROCEDURES = recipe.NOTE .. [[
procedure("mark", function(run, name, what)
  note(run, name, what)
  return name .. " " .. what
end)
procedure("stay", function(run, name, what, path)
  note(run, name, what)
  until_there(path)
  return name .. " " .. what
end)
local function is_first(run, name)
  local path = directory .. "/failed " .. run .. " " .. name
  local file <close> = io.open(path)
  if not file then assert(io.open(path, "w")):close() end
  return not file
end
procedure("flaky", function(run, name)
  note(run, name, "flaky")
  if is_first(run, name) then error{ type = "paper", message = "not yet" } end
  return "late"
end)
stream("hang", function(run, name)
  note(run, name, "hang")
  if is_first(run, name) then coroutine.yield "hangs" harp.sleep(100) end
  return "late"
end)
]]

-- Waves, a step of one call; with a file's name, those behind web030 stay until that
-- is there.
local ONE = [[
batch.run{
  name = arg[1], caller = rpc, hosts = arg[2], serial = { 7, "100%" }, concurrency = 10, show = "none",
  step = function(host, name)
    if arg[3] and name > "web030" then return host.stay(arg[1], name, "only", arg[3]) end
    return host.mark(arg[1], name, "only")
  end,
}]]

-- Steps that are remembered, a call that fails in the first attempt, one after it;
-- with a file's name, all but web001 end only when that is there.
local MANY = [[
batch.run{
  name = arg[1], caller = rpc, hosts = arg[2], serial = { 2, "100%" }, concurrency = 10, show = "none",
  retries = { 1, backoff = 0 },
  step = function(host, name)
    local first = batch.step("first", function() return host.mark(arg[1], name, "first"):get() end)
    local second = batch.step("second", function(same) return same.mark(arg[1], name, "second") end)
    local third = host.flaky(arg[1], name):get()
    while arg[3] and name ~= "web001" and not io.open(arg[3]) do harp.sleep(0.01) end
    return { first, second, third, host.mark(arg[1], name, "last"):get() }
  end,
}]]

describe("a batch", function()
  local directory, daemon, dispatcher, rpc

  local function start_dispatcher(options)
    return harness.dispatcher{
      daemon = daemon, directory = options and options.directory, hosts = 200,
      settings = "max_exec_time = 100 grace = 100",
    }:keep_address()
  end

  setup(function()
    directory = harness.directory()
    daemon = harness.daemon{ procedures = PROCEDURES:format(directory), settings = "max_children = 1000" }
    dispatcher = start_dispatcher()
    rpc = harp.caller(dispatcher.address)
  end)

  before_each(function()
    harness.shell(("rm -f %s/runs %s/failed*; touch %s/runs"):format(directory, directory, directory))
  end)

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

  -- What must have become of each host's calls, and of itself. In a small run one
  -- of them fails once.
  local KINDS = {
    one = function(name) return { only = 1 }, name .. " only", 1 end,
    many = function(name)
      return { first = 1, second = 1, flaky = 2, last = 1 },
        { name .. " first", name .. " second", "late", name .. " last" }, 2
    end,
    small = function(name)
      local fails = name == "web003"
      return { first = 1, last = not fails and 1 or nil, flaky = fails and 2 or nil },
        { name .. " first", fails and "late" or name .. " last" }, fails and 2 or 1
    end,
  }

  local function check_host(kind, name, host)
    local times, result, attempts = KINDS[kind](name)
    assert.same({ "ok", result, attempts }, { host.outcome, host.value, host.attempts })
    return times
  end

  -- A run is over, all went well: what ran, what the journal has and what the
  -- dispatcher has are the same.
  local function check_exact(one, kind, name, count)
    local ids = one:ids(name)
    assert.equal(1, #ids)
    local hosts = one:over(ids[1])
    local ran, jobs, total = counts(), jobs_of(ids[1]), 0
    for i = 1, count do
      for what, times in pairs(check_host(kind, host_name(i), hosts[host_name(i)])) do
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
    if id and not has_begun then os.remove(one:path(id)) end    -- it is none yet
    if has_begun and (is_over(one, id) or math.random(2) == 1) then
      return "--resume " .. (math.random(2) == 1 and id or name)
    end
    return ("%s %s 'web[001-%03d]'"):format(one.script, name, count)
  end

  local function size(one, name)
    local id = one:ids(name)[1]
    return id and #harness.read(one:path(id)) or 0
  end

  -- Kills a recipe until it is over; returns how often. It has more time from
  -- then on where it had not enough to get anywhere.
  local function kill_until_over(one, name, count)
    local kills, seconds = 0, 0.01
    while true do
      local before = size(one, name)
      local _, errors, status = one:run(("timeout -s KILL %.3f"):format(seconds + math.random() * KILL_WITHIN),
        words_for(one, name, count))
      if status ~= KILLED then
        assert.same({ "", 0 }, { errors, status })
        return kills
      end
      kills = kills + 1
      if size(one, name) - before < 1000 then seconds = seconds + 0.01 end
    end
  end

  for kind, text in pairs{ one = ONE, many = MANY } do
    it("is killed with -9 at random points, and resumed: each call of all hosts ran exactly once: " .. kind, function()
      math.randomseed(os.time())
      local one, kills, runs = recipe.new(dispatcher.address, text), 0, 0
      while kills < KILLS do
        runs = runs + 1
        local name = kind .. runs
        kills = kills + kill_until_over(one, name, HOSTS)
        check_exact(one, kind, name, HOSTS)
        check_nothing_left(one, name)
      end
    end)
  end

  -- ---- at each write and sync of the journal ----

  -- Waves, a step that is remembered, a procedure that fails once.
  local SMALL = [[
  local run = arg[1]
  batch.run{
    name = run, caller = rpc, hosts = "web[001-006]", serial = { 1, "100%" }, concurrency = 3, show = "none",
    retries = { 1, backoff = 0 },
    step = function(host, name)
      local first = batch.step("first", function() return host.mark(run, name, "first") end)
      local last = name == "web003" and host.flaky(run, name) or host.mark(run, name, "last")
      return { first, last:get() }
    end,
  }]]

  local function fault(what, count)
    return ("LD_PRELOAD=%s HARP_FAULT_FILE=.jsonl HARP_FAULT=\"%s\" %s"):format(
      FAULT, what, count and "HARP_FAULT_COUNT=" .. count or "")
  end

  local function has_library()
    local library = io.open(FAULT)
    if library then library:close() end
    return library ~= nil
  end

  local function words(one, name) return ("%s %s"):format(one.script, name) end

  -- How many writes and syncs the journal of a run has.
  local function count_writes(one)
    local count = directory .. "/count"
    assert.same({ "", "", 0 }, { one:run(fault("kill 1000000 before", count), words(one, "counted")) })
    check_exact(one, "small", "counted", 6)
    return (string.unpack("=I8", harness.read(count)))
  end

  local function go_on(one, name)
    local id = one:ids(name)[1]
    local has_begun = id and harness.read(one:path(id)):find "\n"
    if id and not has_begun then os.remove(one:path(id)) end    -- it is none yet
    assert.same({ "", "", 0 }, { one:run(nil, has_begun and "--resume " .. id or words(one, name)) })
  end

  it("is killed before, in and behind writes and syncs of its journal: each call ran exactly once", function()
    if not has_library() then return pending "no fault.so" end
    local one = recipe.new(dispatcher.address, SMALL)
    local writes = count_writes(one)
    assert.truthy(writes > 50, writes)
    local killed, tried = 0, 0
    for write = 1, writes, STEP do
      tried = tried + 1
      -- Before one is behind the one before it.
      local how = ({ "before", "half", "after" })[write % 3 + 1]
      local name = how .. write
      local _, _, status = one:run(fault(("kill %d %s"):format(write, how)), words(one, name))
      if status == KILLED then killed = killed + 1 end
      go_on(one, name)
      check_exact(one, "small", name, 6)
    end
    assert.truthy(killed > tried * 3 // 4, killed)
  end)

  -- What is cancelled before the next attempt is no job that somebody cancelled.
  it("is killed while it prepares the next attempt, which is made", function()
    if not has_library() then return pending "no fault.so" end
    local one = recipe.new(dispatcher.address, [[
    batch.run{
      name = arg[1], caller = rpc, hosts = "web001", retries = { 1, backoff = 0 }, show = "none",
      step = function(host, name)
        local job = host.hang(arg[1], name)
        for _ in job:follow{ since = 0 } do harp.timeout(0, harp.sleep, 100) end
        return job:get()
      end,
    }]])
    -- Behind run, wave, start, call, its sync, and job.
    for write = 7, 8 do
      local name = "hang" .. write
      local _, _, status = one:run(fault(("kill %d before"):format(write)), words(one, name))
      assert.equal(KILLED, status)
      assert.same({ "", "", 0 }, { one:resume(one:ids(name)[1]) })
      local hosts = one:over(one:ids(name)[1])
      assert.same({ "ok", "late", 2 }, { hosts.web001.outcome, hosts.web001.value, hosts.web001.attempts })
      assert.equal(2, counts()[name .. " web001 hang"])
    end
  end)

  -- One host of the first wave fails; nothing of the second is ever called.
  local STOPPED = [[
  batch.run{
    name = arg[1], caller = rpc, hosts = "web[001-004]", serial = 2, concurrency = 1, show = "none",
    %s,
    step = function(host, name)
      if name == "web001" then error{ type = "no" } end
      return host.mark(arg[1], name, "only")
    end,
  }]]

  for option, called in pairs{ ["max_fail = 0"] = 1, ["on_fail = \"batch\""] = 0 } do
    it("is killed at writes while it stops, and stops all the same: " .. option, function()
      if not has_library() then return pending "no fault.so" end
      local one, count = recipe.new(dispatcher.address, STOPPED:format(option)), directory .. "/count"
      assert.equal(4, select(3, one:run(fault("kill 1000000 before", count), words(one, "counted"))))
      for write = 2, string.unpack("=I8", harness.read(count)), STEP do
        local name = "stopped" .. write
        one:run(fault(("kill %d before"):format(write)), words(one, name))
        local id = one:ids(name)[1]
        -- When it had been said that it was over, more would be done.
        if not is_over(one, id) then assert.equal(4, select(3, one:resume(id))) end
        local hosts = one:over(id)
        assert.same({ "error", called == 1 and "ok" or nil }, { hosts.web001.outcome, hosts.web002.outcome })
        local ran = counts()
        assert.same({ called == 1 and 1 or nil }, { ran[name .. " web002 only"] })
        assert.is_nil(ran[name .. " web003 only"] or ran[name .. " web004 only"] or hosts.web003.outcome)
      end
    end)
  end

  local function count_calls(one, id)
    local calls = 0
    for _, event in ipairs(one:events(id)) do
      if event.event == "call" then calls = calls + 1 end
    end
    return calls
  end

  -- It says so, and has called nothing that it does not know of.
  local function check_full(one, name, errors)
    local id, ran = one:ids(name)[1], 0
    assert.truthy(errors:find("the journal cannot be written, so nothing more is done: ", 1, true), errors)
    assert.truthy(errors:find("No space left on device", 1, true), errors)
    for line in pairs(counts()) do
      if line:match "^%S+" == name then ran = ran + 1 end
    end
    if not id then return assert.equal(0, ran) end      -- it has not begun
    assert.truthy(ran <= count_calls(one, id))
    local says_how = errors:find(("%s goes on where it was: harp run --resume %s\n"):format(id, id), 1, true)
    assert.equal(#one:events(id) > 0, says_how ~= nil, errors)
  end

  it("whose journal finds the disk full stops before it does what is not in it, and goes on later", function()
    if not has_library() then return pending "no fault.so" end
    local one = recipe.new(dispatcher.address, SMALL)
    local tried, stopped = 0, 0
    for write = 1, count_writes(one) - 10, 2 * STEP do
      tried = tried + 1
      -- For long, or so shortly that the next write would do well.
      local name, milliseconds = "full" .. write, tried % 2 == 0 and 60000 or 2
      local _, errors, status = one:run(fault(("fail %d %d 28"):format(write, milliseconds)), words(one, name))
      if status ~= 0 then           -- else there were fewer syncs than the first time
        stopped = stopped + 1
        assert.equal(1, status, errors)
        check_full(one, name, errors)
        go_on(one, name)
      end
      check_exact(one, "small", name, 6)
    end
    assert.truthy(stopped >= tried // 3, ("%d of %d"):format(stopped, tried))
  end)

  -- ---- the dispatcher ----

  -- What a failing disk refuses may be found done when the dispatcher is started again.
  it("does not know what became of a call that its dispatcher's disk refused", function()
    if not has_library() then return pending "no fault.so" end
    local server = harness.dispatcher{
      daemon = daemon, hosts = 1, before = ("export LD_PRELOAD=%s HARP_FAULT=\"fail 200 1000000 28\";"):format(FAULT),
    }
    local host = harp.caller(server.address).web001
    repeat until not pcall(host.mark, "before", "web001", "only")
    local one = recipe.new(server.address, [[
    batch.run{ name = "disk", caller = rpc, hosts = "web001", retries = 2, show = "none",
      step = function(host) return host.mark("disk", "web001", "only") end }]])
    local _, errors, status = one:run()
    assert.same({ "", 8 }, { errors, status })
    local web001 = one:over(one:ids "disk"[1]).web001
    assert.same({ "unknown", "system_error", 1 }, { web001.outcome, web001.type, web001.attempts })
    assert.is_nil(counts()["disk web001 only"])
    server:stop "KILL"
  end)

  local function lines_of_runs() return select(2, harness.read(directory .. "/runs"):gsub("\n", "")) end

  -- What a call of each host became: ok and once, or unknown; how many of each.
  local function count_outcomes(one, name, count)
    local hosts = one:over(one:ids(name)[1])
    local ran, ok, unknown = counts(), 0, 0
    for i = 1, count do
      local host, times = hosts[host_name(i)], ran[("%s %s only"):format(name, host_name(i))] or 0
      if host.outcome == "ok" then
        check_host("one", host_name(i), host)
        assert.equal(1, times, host_name(i))
        ok = ok + 1
      else
        assert.same({ "unknown", "missing_result" }, { host.outcome, host.type })
        assert.truthy(times <= 1, host_name(i))
        unknown = unknown + 1
      end
    end
    return ok, unknown
  end

  -- A dispatcher, and a recipe of which ten calls run, until open() is called, and
  -- twenty are to come.
  local function begin_sixty(name, options)
    local server, gate = start_dispatcher(), harness.directory() .. "/gate"
    local one = recipe.new(server.address, ONE, options)
    local wait = one:start(nil, ("%s %s 'web[001-060]' %s"):format(one.script, name, gate))
    harness.eventually(function() return lines_of_runs() == 40 end)
    return server, one, wait, function() harness.write(gate, "") end
  end

  it("outlives its dispatcher: what ran when that was killed is unknown, all else ran exactly once", function()
    local server, one, wait, open = begin_sixty "restarted"
    server:stop "KILL"
    harp.sleep(0.3)
    open()
    server:restart()
    local _, errors, status = wait()
    assert.same({ "", 8 }, { errors, status })
    assert.same({ 50, 10 }, { count_outcomes(one, "restarted", 60) })
    server:stop "KILL"
  end)

  it("does not notice that its dispatcher was told to stop, and started again", function()
    local server, one, wait, open = begin_sixty "stopped"
    server:tell_to_stop()
    open()
    server:stop "0"
    harp.sleep(0.3)
    server:restart()
    local _, errors, status = wait()
    assert.same({ "", 0 }, { errors, status })
    assert.same({ 60, 0 }, { count_outcomes(one, "stopped", 60) })
    server:stop "KILL"
  end)

  it("is left when its dispatcher stays away, and completed later", function()
    local server, one, wait, open = begin_sixty("away", { caller = "retry_for = 0.3" })
    server:stop "KILL"
    local _, errors, status = wait()
    local id = one:ids "away"[1]
    assert.truthy(errors:find(("%s goes on where it was: harp run --resume %s\n"):format(id, id), 1, true), errors)
    assert.equal(6, status, errors)
    _, errors, status = one:resume(id)
    assert.equal(6, status, errors)
    open()
    server:restart()
    _, errors, status = one:resume(id)
    assert.same({ "", 8 }, { errors, status })
    assert.same({ 50, 10 }, { count_outcomes(one, "away", 60) })
    server:stop "KILL"
  end)

  -- ---- the way to it ----

  it("loses its connection at bad moments: each call ran exactly once", function()
    math.randomseed(os.time())
    local proxy = harness.proxy(dispatcher)
    local one = recipe.new(proxy.address, MANY)
    local is_over_now, cuts, enough = false, 0, harness.directory() .. "/enough"
    local wait = one:start(nil, ("%s cut 'web[001-%03d]' %s"):format(one.script, HOSTS, enough))
    local watcher = harp.spawn(function()
      harness.eventually(function() return lines_of_runs() > 0 end)
      while not is_over_now do
        -- The request arrived, its answer is lost; or half of an answer; or none of it.
        local kind = math.random(3)
        if kind == 1 then proxy:swallow{ from = "server", after = math.random(0, 200), now = true } end
        if kind == 2 then proxy:swallow{ from = "client", after = math.random(0, 2000), now = true } end
        if kind == 3 then proxy:cut_all{ by = math.random(2) == 1 and "rst" or "fin" } end
        cuts = cuts + 1
        if cuts == 6 then harness.write(enough, "") end
        harp.sleep(0.02 + math.random() * 0.06)
        is_over_now = #one:ids "cut" == 1 and is_over(one, one:ids "cut"[1])
      end
    end)
    watcher:join()
    local _, errors, status = wait()
    assert.same({ "", 0 }, { errors, status })
    check_exact(one, "many", "cut", HOSTS)
    proxy:stop "KILL"
  end)

  -- ---- a dispatcher that knows no dedup keys ----

  describe("on a stock look-alike", function()
    local STOCK = [[
    local run = batch.run{
      name = arg[1], caller = rpc, hosts = arg[2], concurrency = 5, retries = { 2, backoff = 0 }, show = "none",
      step = function(host, name) return host.sum(1000, math.tointeger(tonumber(name:match "%d+"))) end,
    }
    print(harp.encode(run.results))]]

    -- How often each host was called since `from`, a length of its journal; and
    -- what is its length.
    local function submitted(stock, from)
      local text, list = harness.read(stock.directory .. "/journal"), {}
      local function take(_, _, request)
        local host = harp.decode(request).host
        list[host] = (list[host] or 0) + 1
      end
      assert(load(text:sub(from + 1), "journal", "t", { submitted = take, ended = function() end }))()
      return list, #text
    end

    local function check(host, name, times)
      if host.outcome == "ok" then
        assert.same({ 1000 + tonumber(name:match "%d+"), 1 }, { host.value, times })
      else
        assert.same({ "unknown", "unknown_outcome", 1 }, { host.outcome, host.type, host.attempts })
        assert.truthy(not times or times == 1, times)
      end
    end

    it("ends well", function()
      local stock = harness.stock{ hosts = 60 }
      local one = recipe.new(stock.address, STOCK)
      local output, errors, status = one:run(nil, one.script .. " fine 'web[001-060]'")
      assert.same({ "", 0 }, { errors, status })
      assert.equal(1060, harp.decode(output).web060.value)
      local times = submitted(stock, 0)
      for i = 1, 60 do assert.equal(1, times[host_name(i)]) end
      stock:stop "KILL"
    end)

    it("never calls a host twice, however often it is killed", function()
      math.randomseed(os.time())
      local stock = harness.stock{ hosts = 60, latency = 0.01 }
      local one = recipe.new(stock.address, STOCK)
      local kills, runs, from = 0, 0, 0
      while kills < KILLS do
        runs = runs + 1
        local name = "stock" .. runs
        local seconds = 0.01
        repeat
          local before = size(one, name)
          local _, errors, status = one:run(
            ("timeout -s KILL %.3f"):format(seconds + math.random() * 0.06), words_for(one, name, 60))
          if status == KILLED then kills = kills + 1 else assert.equal("", errors) end
          if size(one, name) - before < 500 then seconds = seconds + 0.01 end
        until status ~= KILLED
        local times
        times, from = submitted(stock, from)
        local hosts = one:over(one:ids(name)[1])
        for i = 1, 60 do check(hosts[host_name(i)], host_name(i), times[host_name(i)]) end
      end
      stock:stop "KILL"
    end)

    it("does not know what became of a submit that was cut off", function()
      local stock = harness.stock{ hosts = 60 }
      local proxy = harness.proxy(stock)
      local one = recipe.new(proxy.address, STOCK)
      proxy:delay{ from = "server", seconds = 100, skip = 2 }   -- the first ones ask what it can
      local line = one.script .. " cut web007"
      local wait = one:start(nil, line)
      harness.eventually(function() return submitted(stock, 0).web007 == 1 end)
      one:signal("KILL", line)
      assert.equal(KILLED, select(3, wait()))
      proxy:pass()
      local _, errors, status = one:resume "cut"
      assert.same({ "", 8 }, { errors, status })
      local hosts = one:over(one:ids "cut"[1])
      check(hosts.web007, "web007", submitted(stock, 0).web007)
      assert.equal("unknown", hosts.web007.outcome)
      proxy:stop "KILL"
      stock:stop "KILL"
    end)

    it("is refused what needs a list of the hosts", function()
      local stock = harness.stock{ hosts = 60 }
      local one = recipe.new(stock.address, STOCK)
      for _, selection in ipairs{ "'web*'", "all", "'!web001'" } do
        local _, errors, status = one:run(nil, one.script .. " listed " .. selection)
        assert.equal(2, status, errors)
        assert.truthy(errors:find "^harp: hosts: [^\n]*this dispatcher cannot list its hosts", errors)
      end
      assert.same({}, one:ids "listed")
      stock:stop "KILL"
    end)
  end)
end)
