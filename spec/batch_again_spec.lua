-- A batch that is run again, after its process, its dispatcher or the end of its
-- journal was lost: which run is taken up, and that each call is made once, and
-- gets what is its own.

local harness = require "spec.support.harness"
local recipe = require "spec.support.recipe"
local harp = require "harp"
local batch = require "harp.batch"
local new_record = require "harp.batch.record"

local raised = harness.raised

local PROCEDURES = recipe.PROCEDURES .. [[
procedure("same", function(value) note "same" return value end)
]]

describe("a batch's run", function()
  local directory, daemon, dispatcher, rpc

  setup(function()
    directory = harness.directory()
    daemon = harness.daemon{ procedures = PROCEDURES:format(directory), settings = "max_children = 1000" }
    dispatcher = harness.dispatcher{ daemon = daemon, hosts = 20 }:keep_address()
    rpc = harp.caller(dispatcher.address)
  end)

  before_each(function() harness.write(directory .. "/runs", "") end)

  teardown(harness.clean_up)

  local function lines_of_runs()
    local list = {}
    for line in io.lines(directory .. "/runs") do list[#list + 1] = line end
    return list
  end

  local function words(list) return table.concat(list, " ") end

  -- Runs a batch in this process.
  local function run(fields)
    fields.show, fields.caller = "none", rpc
    return batch.run(fields)
  end

  local TWO = [[
  local dies = os.getenv "DIES"
  local function run(name, hosts)
    return batch.run{
      name = name, caller = rpc, hosts = hosts, show = "none", concurrency = 1,
      step = function(host, at)
        if dies and name == "second" and at == "web002" then os.exit(9) end
        return host.mark(name, at)
      end,
    }
  end
  print(run("first", "web[001-002]").id, run("second", "web[001-003]").id)]]

  it("of two batches in one script goes on in the middle of the second", function()
    for _, is_asked in ipairs{ false, true } do
      harness.write(directory .. "/runs", "")
      local one = recipe.new(dispatcher.address, TWO)
      assert.equal(9, select(3, one:run "DIES=1"))
      local ids = { one:ids "first"[1], one:ids "second"[1] }
      local output, errors, status
      if is_asked then output, errors, status = one:resume(ids[2]) else output, errors, status = one:run() end
      assert.same({ ids[1] .. "\t" .. ids[2] .. "\n", "", 0 }, { output, errors, status })
      assert.same({ "first web001", "first web002", "second web001", "second web002", "second web003" },
        lines_of_runs())
    end
  end)

  local ONE = [[
  print(batch.run{
    name = "one", caller = rpc, hosts = arg[1], show = "none", resume = not os.getenv "ANEW", concurrency = 1,
    step = function(host, at)
      if os.getenv "DIES" and at == "web002" then os.exit(9) end
      return host.mark(at)
    end,
  }.id)]]

  it("is taken up by one of its name, arguments and hosts", function()
    local one = recipe.new(dispatcher.address, ONE)
    local function begin(hosts, before) return one:run(before, ("%s '%s'"):format(one.script, hosts)) end
    assert.equal(9, select(3, begin("web[001-003]", "DIES=1")))
    local left = one:ids "one"[1]
    -- Over other hosts, or with other arguments, it is another one, also of fewer of them.
    assert.not_equal(left, begin("web[001-002]"):match "%S+")
    assert.not_equal(left, begin("web[001-003],&web*"):match "%S+")
    assert.equal(3, #one:ids "one")
    harness.write(directory .. "/runs", "")
    assert.equal(left .. "\n", (begin "web[001-003]"))
    assert.same({ "web002", "web003" }, lines_of_runs())
    -- That is over: the next one is new.
    assert.not_equal(left .. "\n", (begin "web[001-003]"))
    assert.equal(4, #one:ids "one")
  end)

  it("is not taken up when it is not to be, but where it is asked for", function()
    local one = recipe.new(dispatcher.address, ONE)
    local words_of_it = one.script .. " 'web[001-003]'"
    assert.equal(9, select(3, one:run("DIES=1", words_of_it)))
    local left = one:ids "one"[1]
    assert.not_equal(left .. "\n", (one:run("ANEW=1", words_of_it)))
    harness.write(directory .. "/runs", "")
    assert.same({ left .. "\n", "", 0 }, { one:resume(left) })
    assert.same({ "web002", "web003" }, lines_of_runs())
  end)

  it("is another one than that of a batch of the same name over other hosts", function()
    local one = recipe.new(dispatcher.address, [[
    local function run(hosts, dies)
      batch.run{ caller = rpc, hosts = hosts, show = "none", concurrency = 1, step = function(host, name)
        if name == dies and os.getenv "DIES" then os.exit(9) end
        return host.mark(name)
      end }
    end
    run "web001,web002"
    run("web003,web004", "web004")]])
    assert.equal(9, select(3, one:run "DIES=1"))
    assert.equal(0, select(3, one:run()))
    assert.same({ "web001", "web002", "web003", "web004" }, lines_of_runs())
  end)

  it("that a step begins is that of its host", function()
    local one = recipe.new(dispatcher.address, [[
    local run = batch.run{ name = "outer", caller = rpc, hosts = "web001,web002", show = "none", concurrency = 1,
      step = function(_, name)
        if name == "web002" and os.getenv "DIES" then os.exit(9) end
        local inner = batch.run{ name = "inner", caller = rpc, hosts = "web011", show = "none",
          step = function(host) return host.echo(name) end }
        return inner.results.web011.value
      end }
    print(run.results.web001.value, run.results.web002.value)]])
    assert.equal(9, select(3, one:run "DIES=1"))
    assert.equal("web001\tweb002\n", (one:run()))
    assert.same({ "web001", "web002" }, lines_of_runs())
  end)

  it("is not asked for in vain: a recipe that has no such batch does nothing", function()
    local one = recipe.new(dispatcher.address, (ONE:gsub('name = "one"', 'name = os.getenv "NAME" or "other"')))
    assert.equal(9, select(3, one:run("DIES=1 NAME=one", one.script .. " 'web[001-003]'")))
    local _, errors, status = one:resume "one"
    assert.equal(2, status)
    assert.truthy(errors:find("cannot be taken up: the batch other, over these hosts, is none of", 1, true), errors)
    assert.same({ "web001" }, lines_of_runs())
  end)

  it("whose journal is damaged is an error, and not begun anew", function()
    local one = recipe.new(dispatcher.address, ONE)
    local words_of_it = one.script .. " 'web[001-003]'"
    assert.equal(9, select(3, one:run("DIES=1", words_of_it)))
    local path = one:path(one:ids "one"[1])
    local journal = harness.read(path)
    for what, text in pairs{
      ["has a line that is no event (\\x00\\x00"] = journal:gsub("\n[^\n]*\n", "\n" .. ("\0"):rep(200) .. "\n", 1),
      ["another version of harp"] = journal:gsub('"format":%d+', '"format":1'),
    } do
      harness.write(path, text)
      for _, again in ipairs{ words_of_it, "--resume one" } do
        local _, errors, status = one:run(nil, again)
        assert.truthy(status > 0 and errors:find(what, 1, true), errors)
        assert.truthy(errors:find("--new begins anew, `harp runs remove` forgets it", 1, true), errors)
      end
    end
    assert.same({ "web001" }, lines_of_runs())
    -- Of another version, and over: there is nothing to go on with.
    harness.write(path, (journal:gsub('"format":%d+', '"format":1')) .. '{"event":"finish","time":1}\n')
    assert.equal(0, select(3, one:run(nil, words_of_it)))
  end)

  it("is known by its hosts, however they are written, and by the function that says them", function()
    local one = recipe.new(dispatcher.address, [[
    local run = batch.run{ name = "written", caller = rpc, show = "none", concurrency = 1,
      hosts = os.getenv "FUNCTION" and function() return os.getenv "HOSTS" end or os.getenv "HOSTS",
      step = function(host, name)
        if name == "web002" and os.getenv "DIES" then os.exit(9) end
        return host.mark(name)
      end }
    print(#run.ok)]])
    for hosts, before in pairs{ ["web001,web002"] = "", web002 = "FUNCTION=1 " } do
      harness.write(directory .. "/runs", "")
      assert.equal(9, select(3, one:run(before .. "DIES=1 HOSTS=web00[1-2]")))
      local id = one:ids "written"[1]
      local again = before == "" and { one:run("HOSTS=" .. hosts) } or { one:resume(id, before .. "HOSTS=" .. hosts) }
      assert.same({ "2\n", "", 0 }, again)
      assert.same({ "web001", "web002" }, lines_of_runs())
      os.remove(one:path(id))
    end
  end)

  it("is kept, though it is over, while another one of its script is not", function()
    local one = recipe.new(dispatcher.address, [[
    local function run(name, dies)
      batch.run{ name = name, caller = rpc, hosts = "web001", show = "none", step = function(host)
        if dies and os.getenv "DIES" then os.exit(9) end
        return host.mark(name)
      end }
    end
    run "first"
    run("second", true)]])
    assert.equal(9, select(3, one:run "DIES=1"))
    harness.shell(("touch -d '200 days ago' %s/harp/runs/*"):format(one.directory))
    local text = harness.read(one:path(one:ids "first"[1]))
    harness.write(one:path(one:ids "first"[1]), (text:gsub('"time":%d+', '"time":1')))
    harness.shell(("touch -d '200 days ago' %s/harp/runs/*"):format(one.directory))
    harness.shell(("XDG_STATE_HOME=%s %s runs --prune 1d"):format(one.directory, harness.program))
    local other = recipe.new(dispatcher.address, ONE, { directory = harness.directory() })
    other.directory = one.directory         -- a new run there forgets old ones
    assert.equal(0, select(3, other:run(nil, other.script .. " web003")))
    harness.write(directory .. "/runs", "")
    assert.equal(0, select(3, one:run()))
    assert.same({ "second" }, lines_of_runs())
  end)

  it("is gone on with in the same process, when that has lost its dispatcher", function()
    local server = harness.dispatcher{ daemon = daemon, hosts = 20 }:keep_address()
    local one = recipe.new(server.address, [[
    for _ = 1, 100 do
      local well, run = pcall(batch.run, { name = "patient", caller = rpc, hosts = "web[001-002]", concurrency = 1,
        show = "none", step = function(host, name)
          while name == "web002" and not io.open(arg[1] .. "/gone") do harp.sleep(0.01) end
          return host.echo(name)
        end })
      if well then return print(#run.ok) end
      assert(io.open(arg[1] .. "/failed", "w")):close()
      harp.sleep(0.2)
    end]], { caller = "retry_for = 0.1" })
    local signs = harness.directory()
    local wait = one:start(nil, one.script .. " " .. signs)
    harness.eventually(function() return #lines_of_runs() == 1 end)
    server:stop "TERM"
    harness.write(signs .. "/gone", "")
    harness.eventually(function()
      local file = io.open(signs .. "/failed")
      return file and file:close()
    end)
    server:restart()
    assert.equal("2\n", (wait()))
    assert.same({ "web001", "web002" }, lines_of_runs())
    server:stop "KILL"
  end)

  it("has no outcome of what a step made of Ctrl-C", function()
    local one = recipe.new(dispatcher.address, [[
    batch.run{ name = "caught", caller = rpc, hosts = "web[001-002]", show = "none", concurrency = 1,
      step = function(host, at)
        host.mark(at):get()
        pcall(function() host.sleep(100):get() end)
        batch.step("after", function() return 1 end)
        return "well"
      end }]])
    local wait = one:start "env --default-signal=INT"
    harness.eventually(function() return #lines_of_runs() == 1 end)
    local id = one:ids "caught"[1]
    harness.eventually(function() return #rpc:jobs{ info = id, state = "running" }:all() == 1 end)
    one:signal "INT"
    local _, errors, status = wait()
    assert.equal(130, status, errors)
    local kinds = {}
    for _, event in ipairs(one:events(id)) do kinds[event.event] = event end
    assert.is_nil(kinds["end"] or kinds.step)
    assert.truthy(kinds.detach)
    for job in rpc:jobs{ info = id, state = "running" } do rpc:job(job.id):cancel() end
  end)

  -- The journal of a run as it was before events of these kinds came.
  local function forget(one, id, kinds)
    local lines = {}
    for line in harness.read(one:path(id)):gmatch "[^\n]+" do
      if not kinds[harp.decode(line).event] then lines[#lines + 1] = line end
    end
    harness.write(one:path(id), table.concat(lines, "\n") .. "\n")
  end

  local MOVED = [[
  local run = batch.run{ name = "moved", caller = rpc, hosts = "web001", show = "none",
    step = function(host, at) return host.mark(at) end }
  print(run.results.web001.outcome)]]

  it("does not submit again what another dispatcher may have accepted", function()
    local one = recipe.new(dispatcher.address, MOVED)
    assert.equal("ok\n", (one:run()))
    local id = one:ids "moved"[1]
    forget(one, id, { job = true, ["end"] = true, wave_end = true, finish = true })
    local text = harness.read(one:path(id)):gsub(dispatcher.address:gsub("%p", "%%%0"), "elsewhere:3502")
    harness.write(one:path(id), text)
    assert.equal("unknown\n", (one:resume(id)))
    assert.same({ "web001" }, lines_of_runs())
  end)

  it("does not call again what a dispatcher has forgotten: its key is known for longer", function()
    local server = harness.dispatcher{ daemon = daemon, hosts = 20 }:keep_address()
    local one = recipe.new(server.address, MOVED)
    assert.equal("ok\n", (one:run()))
    local id = one:ids "moved"[1]
    forget(one, id, { job = true, ["end"] = true, wave_end = true, finish = true })
    server:stop()
    local config = server.directory .. "/dispatcher.lua"
    harness.write(config, harness.read(config) .. "\nkeep_for = 0.2")
    server:restart()
    local there = harp.caller(server.address)
    harness.eventually(function() return #there:jobs{ info = id }:all() == 0 end)
    assert.equal("unknown\n", (one:resume(id)))
    assert.same({ "web001" }, lines_of_runs())
    server:stop "KILL"
  end)

  it("is one process's at a time", function()
    local one = recipe.new(dispatcher.address, [[
    batch.run{ name = "held", caller = rpc, hosts = "web001", show = "none", step = function(host)
      host.mark "begun"
      while not io.open(arg[1]) do harp.sleep(0.01) end
    end }]])
    local go_on = harness.directory() .. "/go_on"
    local wait = one:start(nil, one.script .. " " .. go_on)
    harness.eventually(function() return #lines_of_runs() == 1 end)
    local id = one:ids "held"[1]
    local errors = directory .. "/other_errors"
    local _, status = harness.shell(one:command(nil, "--resume " .. id) .. " 2>" .. errors)
    assert.equal(2, status)
    assert.truthy(harness.read(errors):find(("another process runs %s"):format(id), 1, true), harness.read(errors))
    harness.write(go_on, "")
    assert.same({ "", "", 0 }, { wait() })
    assert.equal("ok", one:over(id).web001.outcome)
    assert.same({ "begun" }, lines_of_runs())
  end)

  it("that is cancelled goes no further, and can go on", function()
    local task = harp.spawn(run, {
      name = "timed-out", hosts = "web[001-003]", concurrency = 1,
      step = function(host, name)
        host.mark(name):get()
        return host.sleep(100)
      end,
    })
    harness.eventually(function() harp.sleep(0.01) return #lines_of_runs() == 1 end)
    task:cancel()
    assert.equal("CancelledException", raised(task.join, task).kind)
    harp.sleep(0.3)
    assert.equal("web001", words(lines_of_runs()))
    local record = require "harp.batch.journal".latest "timed-out"
    assert.same({ 1, 2 }, { record.counts.running, record.counts.waiting })
    for job in rpc:jobs{ info = record.run, state = "running" } do rpc:job(job.id):cancel() end
  end)

  it("that lost its dispatcher leaves the attempts that are due", function()
    local server = harness.dispatcher{ daemon = daemon, hosts = 20 }:keep_address()
    local one = recipe.new(server.address, [[
    batch.run{
      name = "lost", caller = rpc, hosts = "web[001-002]", show = "none",
      retries = { 1, backoff = os.getenv "LONG" and 1000 or 0 },
      step = function(host, name)
        if name == "web001" then return host.flaky("flaky", 1) end
        return host.stay("begun", 100)
      end,
    }]], { caller = "retry_for = 0.1" })
    local wait = one:start "LONG=1"
    harness.eventually(function() return #lines_of_runs() == 2 end)
    one:await("lost", "retry")
    server:stop "KILL"
    assert.is_true(harness.seconds(function() assert.equal(6, select(3, wait())) end) < harness.PATIENCE)
    server:restart()
    local _, errors, status = one:resume "lost"
    assert.equal(8, status, errors)
    local hosts = one:over(one:ids "lost"[1])
    assert.same({ "ok", 2, "unknown" }, { hosts.web001.outcome, hosts.web001.attempts, hosts.web002.outcome })
    server:stop "KILL"
  end)

  it("knows how long ago a call was submitted first, however often it was so again", function()
    local record = new_record()
    for i, event in ipairs{
      { event = "run", run = "a-bbbbbb", name = "a", hosts = { "x" }, waves = { 1 } },
      { event = "start", host = "x", attempt = 1 }, { event = "call", host = "x", key = "1 a", procedure = "a" },
      { event = "resume" }, { event = "call", host = "x", key = "1 a", procedure = "a" },
    } do
      event.time = i
      record:apply(event)
    end
    assert.equal(3, record.by_host.x.calls["1 a"].time)
    record:apply{ event = "refused", host = "x", key = "1 a", message = "no", time = 6 }
    record:apply{ event = "call", host = "x", key = "1 a", procedure = "a", time = 7 }
    assert.equal(7, record.by_host.x.calls["1 a"].time)
  end)

  it("goes on after a call that was refused as it did before", function()
    local one = recipe.new(dispatcher.address, [[
    batch.run{ name = "refusal", caller = rpc, hosts = "web001", show = "none", step = function(host)
      local well, failure = pcall(host{ queue = { name = ("x"):rep(os.getenv "DIES" and 20000 or 1) } }.mark, "it")
      host.mark(well and "accepted" or failure.type)
      if os.getenv "DIES" then os.exit(9) end
    end }]])
    assert.equal(9, select(3, one:run "DIES=1"))
    assert.same({ "", "", 0 }, { one:resume "refusal" })
    assert.same({ "invalid_request" }, lines_of_runs())
  end)

  -- ---- calls that are made again ----

  -- Tasks of one step come to a procedure in another order each time.
  local TASKS = [[
  local names = { "a", "b", "c", "d", "a" }
  if not os.getenv "SAME" then names = { "d", "a", "c", "b", "a" } end
  local run = batch.run{ name = "tasks", caller = rpc, hosts = "web001", show = "none", step = function(host)
    local results = harp.map(names, function(name) return name .. " " .. host.echo(name):get() end)
    if os.getenv "DIES" then os.exit(9) end
    table.sort(results)
    return table.concat(results, ", ")
  end }
  print(run.results.web001.outcome, run.results.web001.value or run.results.web001.message)]]

  it("gives each task the job of its own call, whatever their order", function()
    local one = recipe.new(dispatcher.address, TASKS)
    assert.equal(9, select(3, one:run "SAME=1 DIES=1"))
    assert.equal(5, #lines_of_runs())
    assert.equal("ok\ta a, a a, b b, c c, d d\n", (one:resume "tasks"))
    assert.equal(5, #lines_of_runs())
  end)

  -- As after the machine has died, too: the calls may be in no journal.
  it("never takes a job for that of another call, when the end of the journal is lost", function()
    for same, expected in pairs{
      ["SAME=1"] = "^ok\ta a, a a, b b, c c, d d\n$", [""] = "^unknown\techo was called with other arguments",
    } do
      harness.write(directory .. "/runs", "")
      local one = recipe.new(dispatcher.address, TASKS)
      assert.equal(9, select(3, one:run "SAME=1 DIES=1"))
      local id = one:ids "tasks"[1]
      forget(one, id, { call = true, job = true })
      local output = one:resume(id, same)
      assert.truthy(output:find(expected), output)
      assert.equal(5, #lines_of_runs())
    end
  end)

  local CHANGING = [[
  local run = batch.run{ name = "changing", caller = rpc, hosts = "web001", show = "none", step = function(host)
    local what = %s
    local said = host.echo(what):get()
    if os.getenv "DIES" then os.exit(9) end
    return said
  end }
  print(run.results.web001.outcome, run.results.web001.value or run.results.web001.message)]]

  it("does not know what became of a call whose arguments differ, unless they are remembered", function()
    local function outcome(what)
      harness.write(directory .. "/runs", "")
      local one = recipe.new(dispatcher.address, CHANGING:format(what))
      assert.equal(9, select(3, one:run "DIES=1"))
      local output = one:resume "changing"
      assert.equal(1, #lines_of_runs())
      return output
    end
    local output = outcome "os.getenv 'DIES' or '2'"
    assert.truthy(output:find "^unknown\techo had other arguments before the run was cut off: ", output)
    assert.truthy(output:find("batch.step to remember", 1, true), output)
    assert.equal("ok\t1\n", outcome "batch.step('what', function() return os.getenv 'DIES' or '2' end)")
  end)

  -- Two tasks have two calls each; of one nothing has been submitted but the first.
  it("makes calls of a task that were not made yet while others of their procedure wait to be taken up", function()
    local one = recipe.new(dispatcher.address, [[
    local run = batch.run{ name = "chains", caller = rpc, hosts = "web001", show = "none", step = function(host)
      local has_marked, said = false, nil
      local results = harp.map({ "a", "b" }, function(name)
        host.mark(name):get()
        has_marked = has_marked or name == "a"
        local function is_early()
          if os.getenv "DIES" then return name == "a" or not has_marked end
          return name == "b" and not said
        end
        while is_early() do harp.sleep(0.01) end
        said = host.echo(name .. "2"):get()
        if os.getenv "DIES" then os.exit(9) end
        return said
      end)
      return table.concat(results)
    end }
    print(run.results.web001.outcome, run.results.web001.value or run.results.web001.message)]])
    assert.equal(9, select(3, one:run "DIES=1"))
    assert.equal(3, #lines_of_runs())
    assert.equal("ok\ta2b2\n", (one:resume "chains"))
    assert.equal(4, #lines_of_runs())
  end)

  -- The task of a step may outlast it; one that was begun before it is not in it.
  it("knows the calls of tasks by the step in which they were begun", function()
    local one = recipe.new(dispatcher.address, [[
    local run = batch.run{ name = "places", caller = rpc, hosts = "web001", show = "none", step = function(host)
      local slow
      local outside = harp.spawn(function()
        harp.sleep(os.getenv "DIES" and 0.05 or 0.4)
        return host.echo("same"):get()
      end)
      batch.step("first", function()
        slow = harp.spawn(function() return host.echo("same"):get() end)
        harp.sleep(0.2)
        return harp.map({ 1, 2 }, function() return host.echo("same"):get() end)
      end)
      if os.getenv "DIES" then os.exit(9) end
      local own = batch.step("second", function() return host.echo("same"):get() end)
      return own .. outside:join()
    end }
    print(run.results.web001.outcome, run.results.web001.value or run.results.web001.message)]])
    assert.equal(9, select(3, one:run "DIES=1"))
    assert.equal("ok\tsamesame\n", (one:resume "places"))
    -- Three of the first step, one of the task beside it, one of the second step.
    assert.equal(5, #lines_of_runs())
  end)

  -- Five items, two at once, whichever worker is free; a plain kill, and one with
  -- which the end of the journal is lost.
  it("knows the calls of harp.map by their items, whichever worker has one", function()
    local one = recipe.new(dispatcher.address, [[
    local run = batch.run{ name = arg[1], caller = rpc, hosts = "web001", show = "none", queue = false,
      step = function(host)
        return table.concat(harp.map({ "a", "b", "c", "d", "e" }, function(item)
          local is_slow = item == (os.getenv "DIES" and "a" or "b") or item == "c"
          host.mark(item):get()
          if is_slow then harp.sleep(0.4) end
          if item == "e" and os.getenv "DIES" then os.exit(9) end
          return host.echo(item):get()
        end, { concurrency = 2 }))
      end }
    print(run.results.web001.value or run.results.web001.message)]])
    for name, kinds in pairs{ plain = {}, lost = { call = true, job = true } } do
      harness.write(directory .. "/runs", "")
      assert.equal(9, select(3, one:run("DIES=1", one.script .. " " .. name)))
      forget(one, one:ids(name)[1], kinds)
      assert.equal("abcde\n", (one:resume(name)))
      local lines = lines_of_runs()
      table.sort(lines)
      assert.equal("a a b b c c d d e e", words(lines))
    end
  end)

  it("tells calls apart that are nested as deeply as can be", function()
    local one = recipe.new(dispatcher.address, [[
    local function nested(leaf) for _ = 1, 126 do leaf = { leaf } end return leaf end
    local run = batch.run{ name = "nested", caller = rpc, hosts = "web001", show = "none", step = function(host)
      local results = {}
      harp.map(os.getenv "DIES" and { 1, 2 } or { 2, 1 }, function(i)
        local leaf = host.same(nested(i)):args()
        for _ = 1, 127 do leaf = leaf[1] end
        results[i] = leaf
      end)
      if os.getenv "DIES" then os.exit(9) end
      return results
    end }
    print(harp.encode(run.results.web001.value))]])
    assert.equal(9, select(3, one:run "DIES=1"))
    assert.equal("[1,2]\n", (one:resume "nested"))
  end)

  -- ---- what a step returned before ----

  it("has a failure that batch.step returned, too, and the names of steps within others", function()
    local one = recipe.new(dispatcher.address, [[
    local function go_on() if os.getenv "DIES" then os.exit(9) end end
    local run = batch.run{ name = "returned", caller = rpc, hosts = "web[001-003]", show = "none", concurrency = 1,
      step = function(host, name)
        if name == "web001" then return batch.step("x", function() return host.fail():result{ wait = true } end) end
        if name == "web002" then
          return batch.step("x", function()
            local job = host.sleep(100)
            job:cancel()
            return job:result{ wait = true }
          end)
        end
        batch.step("a", function() return batch.step("b", function() return "nested" end) end)
        go_on()
        return batch.step("a/b", function() return host.mark() end)
      end }
    for _, name in ipairs{ "web001", "web002", "web003" } do
      print(run.results[name].outcome, run.results[name].message)
    end]])
    assert.equal(9, select(3, one:run "DIES=1"))
    local again = one:resume "returned"
    assert.equal("exception\tout of paper\ncancelled\tthe job was cancelled\nerror\tbatch.step: there are two steps "
      .. "\"a/b\" of one host: give each a name of its own\n", again)
    assert.equal(again, (one:run()))
  end)

  -- ---- tasks ----

  it("goes on where a step, or after_wave, joins a task that was cancelled", function()
    local function join_cancelled()
      local task = harp.spawn(harp.sleep, 100)
      harp.sleep(0)
      task:cancel()
      task:join()
    end
    local done = run{
      name = "joined", hosts = "web[001-003]", serial = { 2, 1 }, after_wave = join_cancelled,
      step = function(host, name)
        if name == "web001" then return join_cancelled() end
        return host.stay(name, 0.3)
      end,
    }
    assert.same({ "error", "the task was cancelled" }, { done.results.web001.outcome, done.results.web001.message })
    assert.same({ "web002", "after wave 1: the task was cancelled" }, { words(done.ok), done.stopped })
  end)

  it("waits for what tasks of a step submit, and lets them submit nothing when that is over", function()
    local late
    local done = run{
      name = "late", hosts = "web[001-002]", step = function(host, name)
        if name == "web001" then
          harp.spawn(function() host.mark "in flight" end)
          harp.sleep(0)
          error("failed", 0)
        end
        late = harp.spawn(function()
          harp.sleep(0.3)
          return select(2, pcall(host.mark, "late"))
        end)
      end,
    }
    assert.same({ "error", "ok" }, { done.results.web001.outcome, done.results.web002.outcome })
    assert.truthy(late:join():find "batch_again_spec%.lua:%d+: the step of web002 is over: what its tasks call has")
    harness.eventually(function() return #lines_of_runs() == 1 end)
    assert.same({ "in flight" }, lines_of_runs())
  end)

  -- ---- the dispatcher ----

  it("whose dispatcher is lost leaves hosts that wait for jobs of others, too", function()
    local server = harness.dispatcher{ daemon = daemon, hosts = 20 }:keep_address()
    local one = recipe.new(server.address, [[
    local shared
    batch.run{ name = "shared", caller = rpc, hosts = "web[001-002]", show = "none", step = function(host, name)
      if name == "web001" then shared = host.stay("it", 100) end
      while not shared do harp.sleep(0.01) end
      return shared
    end }]], { caller = "retry_for = 0.1" })
    local wait = one:start()
    harness.eventually(function() return #lines_of_runs() == 1 end)
    one:await("shared", "job")
    server:stop "KILL"
    assert.equal(6, select(3, wait()))
    for _, event in ipairs(one:events(one:ids "shared"[1])) do assert.not_equal("end", event.event) end
  end)

  it("submits nothing again to a dispatcher that has not the jobs of before", function()
    local server = harness.dispatcher{ daemon = daemon, hosts = 20 }:keep_address()
    local one = recipe.new(server.address, [[
    local run = batch.run{ name = "replaced", caller = rpc, hosts = "web[001-002]", show = "none", concurrency = 1,
      step = function(host, at) return host.mark(at) end }
    print(run.results.web001.outcome, run.results.web002.outcome)]])
    assert.equal("ok\tok\n", (one:run()))
    local id = one:ids "replaced"[1]
    local text = harness.read(one:path(id))
    local call = select(2, text:find '\n[^\n]*"event":"call"[^\n]*\n.*\n[^\n]*"event":"call"[^\n]*\n')
    harness.write(one:path(id), text:sub(1, call))
    server:stop()
    harness.shell(("rm %s/dispatcher.db*"):format(server.directory))
    server:restart()
    assert.equal("ok\tunknown\n", (one:resume(id)))
    assert.same({ "web001", "web002" }, lines_of_runs())
    server:stop "KILL"
  end)

  it("submits nothing again that was submitted without a dedup key", function()
    local stock = harness.stock{ hosts = 20 }
    local proxy = harness.proxy(stock)
    local one = recipe.new(proxy.address, [[
    local run = batch.run{ name = "bought", caller = rpc, hosts = "web001", show = "none",
      step = function(host) return host.sum(1000, 1) end }
    print(run.results.web001.outcome)]])
    proxy:delay{ from = "server", seconds = 100, skip = 2 }
    local wait = one:start()
    harness.eventually(function() return harness.read(stock.directory .. "/journal"):find "submitted" end)
    one:signal "KILL"
    assert.equal(128 + 9, select(3, wait()))
    proxy:pass()
    proxy:aim(dispatcher)
    assert.equal("unknown\n", (one:resume "bought"))
    assert.same({}, rpc:jobs{ info = one:ids "bought"[1] }:all())
    proxy:stop "KILL"
    stock:stop "KILL"
  end)

  -- ---- stops ----

  it("that was stopped makes no further attempt, though it died before its end", function()
    local one = recipe.new(dispatcher.address, [[
    local run = batch.run{
      name = "stopping", caller = rpc, hosts = "web[001-002]", show = "none", on_fail = "batch",
      retries = { 1, backoff = 100 },
      step = function(host, name)
        if name == "web001" then return host.flaky(name, 9) end
        harp.sleep(0.3)
        error{}
      end }
    print(run.results.web001.outcome, run.results.web001.attempts, run.results.web001.message)]])
    local expected = "exception\t1\tfailure 1\n"
    assert.equal(expected, (one:run()))
    local id = one:ids "stopping"[1]
    local text = harness.read(one:path(id))
    harness.write(one:path(id), text:sub(1, select(2, text:find '\n[^\n]*"event":"stop"[^\n]*\n')))
    assert.equal(expected, (one:resume(id)))
    assert.equal(1, #lines_of_runs())
  end)

  it("that was to be cancelled is so, though it died before its end", function()
    local one = recipe.new(dispatcher.address, [[
    local run = batch.run{ name = "cancelling", caller = rpc, hosts = "web001", show = "none", step = function(host)
      host.stay("first", 100):get()
      return host.mark "second"
    end }
    print(run.results.web001.outcome)]])
    local wait = one:start()
    harness.eventually(function() return #lines_of_runs() == 1 end)
    one:await("cancelling", "job")
    one:signal "KILL"
    assert.equal(128 + 9, select(3, wait()))
    local id = one:ids "cancelling"[1]
    harness.write(one:path(id), harness.read(one:path(id))
      .. harp.encode{ event = "stop", reason = "cancelled by Ctrl-C", is_cancelled = true, time = os.time() } .. "\n")
    assert.equal("cancelled\n", (one:resume(id)))
    for job in rpc:jobs{ info = id } do assert.equal("cancelled", job.outcome or job.state) end
    assert.same({ "first in" }, lines_of_runs())
  end)

  it("whose dispatcher is lost leaves a host whose step says it in its own words", function()
    local server = harness.dispatcher{ daemon = daemon, hosts = 20 }:keep_address()
    local one = recipe.new(server.address, [[
    local run = batch.run{ name = "words", caller = rpc, hosts = "web001", show = "none", step = function(host)
      host.mark "first"
      local there
      repeat
        harp.sleep(0.01)
        there = io.open(arg[1])
      until there
      local well, job = pcall(host.mark, "second")
      if not well then error("the second one failed: " .. tostring(job), 0) end
      return job
    end }
    print(#run.ok)]], { caller = "retry_for = 0.1" })
    local gone = harness.directory() .. "/gone"
    local wait = one:start(nil, one.script .. " " .. gone)
    harness.eventually(function() return #lines_of_runs() == 1 end)
    server:stop()
    harness.write(gone, "")
    assert.equal(6, select(3, wait()))
    server:restart()
    assert.equal("1\n", (one:resume "words"))
    assert.same({ "first", "second" }, lines_of_runs())
    server:stop "KILL"
  end)

  -- ---- by hand ----

  it("is left by Ctrl-C, also where a step calls again and again", function()
    local one = recipe.new(dispatcher.address, [[
    batch.run{ name = "stubborn", caller = rpc, hosts = "web001", show = "none", step = function(host)
      while true do pcall(function() host.mark "again":get() end) end
    end }]])
    local wait = one:start "env --default-signal=INT"
    harness.eventually(function() return #lines_of_runs() > 0 end)
    one:signal "INT"
    assert.equal(130, select(3, wait()))
  end)

  it("is only said in a dry run, also that which a step begins", function()
    local one = recipe.new(dispatcher.address, [[
    batch.run{ name = "dry", caller = rpc, hosts = "web001", dry_run = true, show = "none", step = function()
      batch.run{ name = "inner", caller = rpc, hosts = "web002", show = "none",
        step = function(host) return host.mark "really" end }
    end }]])
    local output, errors, status = one:run()
    assert.same({ "", 0 }, { errors, status })
    assert.truthy(output:find('web002\n    mark("really")\n', 1, true), output)
    assert.same({}, lines_of_runs())
  end)
end)
