-- What becomes of the hosts of a batch: outcomes against a real dispatcher and
-- daemon, retries, waves, and steps that are remembered.

local harness = require "spec.support.harness"
local recipe = require "spec.support.recipe"
local harp = require "harp"
local batch = require "harp.batch"
local new_record = require "harp.batch.record"

local raised = harness.raised

local PROCEDURES = recipe.PROCEDURES .. [[
procedure("text", function(size) return ("x"):rep(size) end)
procedure("no", function() return false end)
procedure("die", function(what) note(what) os.execute "kill -9 $PPID" harp.sleep(100) end)
procedure("meet", function(what, seconds)
  note(what, "in")
  local count
  repeat
    harp.sleep(0.01)
    seconds, count = seconds - 0.01, 0
    for line in io.lines(directory .. "/runs") do
      if line == what .. " in" then count = count + 1 end
    end
  until seconds <= 0 or count == 2
  note(what, "out")
end)
stream("talk", function(first, count, size)
  coroutine.yield(first)
  for i = 2, count do coroutine.yield((i .. " "):rep(size):sub(1, size)) end
end)
stream("count", function(n) for i = 1, n do coroutine.yield(i) end return n end)
]]

describe("a batch's", function()
  local directory, daemon, dispatcher, rpc

  setup(function()
    directory = harness.directory()
    daemon = harness.daemon{ procedures = PROCEDURES:format(directory), settings = "max_children = 1000" }
    dispatcher = harness.dispatcher{ daemon = daemon, hosts = 20 }:keep_address()
    rpc = harp.caller(dispatcher.address)
  end)

  before_each(function() harness.write(directory .. "/runs", "") end)

  teardown(harness.clean_up)

  local number = 0

  -- Runs a batch of a name of its own in this process.
  local function run(fields)
    number = number + 1
    fields.name, fields.show = fields.name or "faults" .. number, "none"
    fields.caller = fields.caller or rpc
    return batch.run(fields)
  end

  local function events_of(id)
    local reader <close> = require "harp.batch.journal".reader(id)
    return reader:take()
  end

  local function lines_of_runs()
    local list = {}
    for line in io.lines(directory .. "/runs") do list[#list + 1] = line end
    return list
  end

  local function words(list) return table.concat(list, " ") end

  it("page that cannot be written costs no other file", function()
    local well, failure = pcall(run, {
      hosts = "web001", report = "/dev/full", junit = directory .. "/junit.xml",
      step = function(host) return host.sum(1, 2) end,
    })
    assert.is_false(well)
    assert.equal("cannot write the report to /dev/full: No space left on device", failure.message)
    assert.truthy(harness.read(directory .. "/junit.xml"):find('<testsuite ', 1, true))
  end)

  -- ---- outcomes ----

  describe("outcomes", function()
    local STEPS = {
      localhost = function(host) return host.sum(1, 2) end,
      web001 = function(host) return host.fail() end,
      web002 = function(host) return host.nix() end,
      web004 = function() error "oops" end,
      web005 = function() return print end,
      web006 = function() end,
      web007 = function(host)
        local job = host.sleep(100)
        job:cancel()
        return job
      end,
      web008 = function(host) return host.die "web008" end,
      web009 = function() return rpc:job "00000000-0000-4000-8000-000000000000" end,
      web010 = function() error("bytes \xff\n\tand more", 0) end,
      web011 = function() error{ not_ours = true } end,
      web012 = function(host) return host.count(150) end,
      refused = function(host) return host.sum(1, 2) end,
      nowhere = function(host) return host.sum(1, 2) end,
      ghost = function(host) return host.sum(1, 2) end,
    }

    local EXPECTED = {
      localhost = { "ok", 1 }, web001 = { "exception", 3, "paper" }, web002 = { "error", 1, "no_such_procedure" },
      web004 = { "error", 1, "lua" }, web005 = { "error", 1, "invalid_value" },
      web006 = { "ok", 1 }, web007 = { "cancelled", 1, "cancelled" }, web008 = { "unknown", 1 },
      web009 = { "unknown", 1, "invalid_jobid" }, web010 = { "error", 1, "lua" }, web011 = { "error", 1, "lua" },
      web012 = { "ok", 1 }, refused = { "unreachable", 3, "econnrefused" }, nowhere = { "unreachable", 3, "nxdomain" },
      ghost = { "error", 1, "unknown_host" },
    }

    it("are kept apart, and retried where that makes sense", function()
      local names = {}
      for name in pairs(STEPS) do names[#names + 1] = name end
      table.sort(names)
      local done = run{
        hosts = names, retries = { 2, backoff = 0 },
        step = function(host, name) return STEPS[name](host) end,
      }
      for name, expected in pairs(EXPECTED) do
        local result = done.results[name]
        assert.same({ expected[1], expected[2] }, { result.outcome, result.attempts }, name)
        if expected[3] then assert.equal(expected[3], result.type, name) end
        assert.truthy(result.outcome == "ok" or result.message, name)
        assert.truthy(result.start <= result.stop)
      end
      local results = done.results
      assert.equal(3, results.localhost.value)
      assert.is_nil(results.web006.value)
      assert.equal("out of paper", results.web001.message)
      assert.truthy(results.web004.message:find "^[^\n]+batch_faults_spec%.lua:%d+: oops$", results.web004.message)
      assert.truthy(results.web005.message:find "no JSON", results.web005.message)
      assert.equal("bytes \\xff", results.web010.message)
      assert.same({ 150, 150, 100, 51 },
        { results.web012.value, results.web012.count, #results.web012.packets, results.web012.packets[1] })
      assert.same({ "web008" }, lines_of_runs())
      assert.equal("web008 web009", words(done.unknown))
      assert.equal("localhost web006 web012", words(done.ok))
      assert.equal("nowhere refused", words(done.unreachable))
      assert.equal("ghost web002 web004 web005 web010 web011", words(done.error))
      assert.equal(#names - 3, #done.failed)
      assert.same({ "web001", "web007" }, { words(done.exception), words(done.cancelled) })
      assert.equal(8, done.code)
      assert.equal(rpc:job(results.localhost.job), rpc:job(results.localhost.job))
      assert.equal("sum", rpc:job(results.localhost.job):procedure())
    end)

    it("of calls that take longer than they may are timeouts", function()
      local done = run{
        hosts = "web003", timeout = 0.3, retries = { 2, backoff = 0 }, step = function(host) return host.sleep(100) end,
      }
      local result = done.results.web003
      assert.same({ "timeout", 3, "timeout" }, { result.outcome, result.attempts, result.type })
      assert.same({ "web003", 7 }, { words(done.timeout), done.code })
    end)

    it("of a connection that was lost are unknown, of one that was never made unreachable", function()
      local outcomes = require "harp.batch.outcomes"
      for _, kind in ipairs{ "RemoteError", "CommunicationError" } do
        for type, expected in pairs{
          closed = "unknown", econnreset = "unknown", bad_protocol = "unknown", econnrefused = "unreachable",
          nxdomain = "unreachable", certificate = "unreachable", timeout = "timeout",
        } do
          assert.equal(expected, outcomes.of(require "harp.core".error{ kind = kind, type = type, message = "" }))
        end
      end
    end)

    it("of hosts that fail at first are those of the last attempt; pauses grow", function()
      local done = run{
        hosts = "web[001-003]", retries = { 3, backoff = 0.02 },
        step = function(host, name) return host.flaky(name, tonumber(name:sub(-1)) + 1) end,
      }
      local pauses = {}
      for _, event in ipairs(events_of(done.id)) do
        if event.event == "retry" and event.host == "web003" then
          pauses[#pauses + 1] = event.pause
          assert.same({ "exception", "failure " .. #pauses, #pauses }, { event.outcome, event.message, event.attempt })
        end
      end
      assert.same({ 3, 4, "exception" }, { done.results.web001.value, done.results.web002.value,
        done.results.web003.outcome })
      assert.same({ 3, 4, 4 }, { done.results.web001.attempts, done.results.web002.attempts,
        done.results.web003.attempts })
      assert.equal(3, #pauses)
      for i, pause in ipairs(pauses) do
        assert.truthy(pause >= 0.01 * 2 ^ (i - 1) and pause <= 0.02 * 2 ^ (i - 1), pause)
      end
      assert.equal(3 + 4 + 4, #lines_of_runs())
    end)

    it("of a job that somebody cancels is that; it is not tried again", function()
      local name = "cancelled-outside"
      local canceller = harp.spawn(function()
        local job
        harness.eventually(function()
          harp.sleep(0.01)
          for one in rpc:jobs{ info = name, state = "running" } do job = one.id end
          return job
        end)
        rpc:job(job):cancel()
      end)
      local done = run{ name = name, hosts = "web001", retries = 2, step = function(host) return host.sleep(100) end }
      canceller:join()
      assert.same({ "cancelled", 1 }, { done.results.web001.outcome, done.results.web001.attempts })
      assert.equal(5, done.code)
    end)

    it("leave nothing running beside the next attempt", function()
      local done = run{
        hosts = "web001", retries = { 1, backoff = 0 }, queue = false,
        step = function(host)
          host.stay("web001", 100)
          harness.eventually(function() harp.sleep(0.01) return #lines_of_runs() > 0 end)
          if #lines_of_runs() == 1 then harp.timeout(0.01, harp.sleep, 100) end
        end,
      }
      local states = {}
      for job in rpc:jobs{ info = done.id } do states[#states + 1] = job.outcome or job.state end
      assert.equal(2, #states)
      assert.equal("cancelled", states[2])
      for job in rpc:jobs{ info = done.id } do rpc:job(job.id):cancel() end
    end)

    it("are unknown where a step did not wait for whether its call was accepted", function()
      local proxy = harness.proxy(dispatcher)
      local done = run{
        hosts = "web001", retries = { 2, backoff = 0 }, caller = harp.caller(proxy.address),
        step = function(host)
          proxy:delay{ seconds = 100, from = "server", now = true }
          harp.timeout(0.3, function() host.mark "once" end)
        end,
      }
      proxy:pass()
      assert.same({ "unknown", 1 }, { done.results.web001.outcome, done.results.web001.attempts })
      proxy:stop "KILL"
    end)
  end)

  -- ---- waves ----

  describe("waves", function()
    local function outcome_of(fields)
      fields.hosts, fields.concurrency = "web[001-020]", fields.concurrency or 20
      local called = 0
      local bad = fields.bad
      fields.bad = nil
      fields.step = function(_, name)
        called = called + 1
        if bad[tonumber(name:sub(4))] then error("bad", 0) end
      end
      local done = run(fields)
      assert.equal(20, #done.ok + #done.failed + #done.not_reached)
      assert.equal(called, #done.ok + #done.failed)
      return { #done.ok, #done.failed, #done.not_reached, done.stopped ~= nil }
    end

    it("end with the one in which too many failed", function()
      local bad = { [2] = true, [3] = true, [6] = true, [7] = true, [8] = true }
      assert.same({ 15, 5, 0, false }, outcome_of{ serial = 5, bad = bad })
      assert.same({ 15, 5, 0, false }, outcome_of{ serial = 5, max_fail = 3, bad = bad })
      assert.same({ 5, 5, 10, true }, outcome_of{ serial = 5, max_fail = 2, bad = bad })
      assert.same({ 3, 2, 15, true }, outcome_of{ serial = 5, max_fail = 0, bad = bad })
      assert.same({ 3, 2, 15, true }, outcome_of{ serial = 5, max_fail = "39%", bad = bad })
      assert.same({ 5, 5, 10, true }, outcome_of{ serial = 5, max_fail = "40%", bad = bad })
      assert.same({ 15, 5, 0, false }, outcome_of{ serial = 5, max_fail = "60%", bad = bad })
      assert.same({ 3, 3, 14, true }, outcome_of{ serial = { 1, "25%", "100%" }, max_fail = 2, bad = bad })
      assert.same({ 15, 5, 0, false }, outcome_of{ max_fail = 0, bad = bad })  -- the last one is the last one
    end)

    it("of hosts that are not reached are no failure, but not well either", function()
      local function no() return false end
      local done = run{ hosts = "web[001-003]", serial = 1, step = function() end, after_wave = no }
      assert.same({ 1, 0, 2, 1 }, { #done.ok, #done.failed, #done.not_reached, done.code })
    end)

    it("end at the first failure when that is wanted", function()
      assert.same({ 1, 1, 18, true }, outcome_of{ on_fail = "batch", concurrency = 1, bad = { [2] = true } })
      local done = run{
        hosts = "web[001-020]", concurrency = 3, on_fail = "batch",
        step = function(host, name)
          if name == "web003" then error("bad", 0) end
          return host.sleep(0.1)
        end,
      }
      assert.same({ 2, 1, 17 }, { #done.ok, #done.failed, #done.not_reached })
      assert.equal("web003 failed, and on_fail is \"batch\"", done.stopped)
    end)

    it("that after_wave objected to are looked at again when the run is taken up; max_fail has spoken", function()
      local one = recipe.new(dispatcher.address, [[
      local run = batch.run{
        name = "healed", caller = rpc, hosts = "web[001-003]", serial = 1, show = "none", max_fail = 0,
        step = function(host, name)
          if name == "web002" then error "bad" end
          return host.mark(name)
        end,
        after_wave = function(wave) return wave.number > 1 or os.getenv "HEALTHY" ~= nil end,
      }
      print(run.stopped, #run.ok, #run.not_reached)]])
      local unwell = "after wave 1: after_wave returned false\t1\t2\n"
      assert.same({ unwell, "", 1 }, { one:run() })
      for _ = 1, 2 do assert.same({ unwell, "", 1 }, { one:resume "healed" }) end
      assert.equal("1 of 1 host of wave 2 failed, and max_fail is 0\t1\t1\n", (one:resume("healed", "HEALTHY=1")))
      assert.equal("nil\t2\t0\n", (one:resume("healed", "HEALTHY=1")))
      assert.same({ "web001", "web003" }, lines_of_runs())
    end)

    it("that on_fail ended are looked at when they are complete", function()
      local one = recipe.new(dispatcher.address, [[
      local run = batch.run{
        name = "ended", caller = rpc, hosts = "web[001-003]", serial = { 2, 1 }, show = "none", on_fail = "batch",
        concurrency = 1, step = function(_, name) if name == "web001" then error "bad" end end,
        after_wave = function(wave) print("looked at " .. wave.number) return wave.number > 1 end,
      }
      print(run.stopped, #run.ok, #run.not_reached)]])
      assert.equal("web001 failed, and on_fail is \"batch\"\t0\t2\n", (one:run()))
      assert.equal("looked at 1\nafter wave 1: after_wave returned false\t1\t1\n", (one:resume "ended"))
    end)

    it("are looked at by after_wave, which ends the run by false or an error", function()
      local seen = {}
      local function look(ending)
        return function(wave, done)
          seen[#seen + 1] = ("%d/%d %s %d %d"):format(wave.number, wave.of, words(wave.hosts), wave.failed, #done.ok)
          if wave.number == 2 then return ending() end
        end
      end
      local function step(_, name) if name == "web002" then error("bad", 0) end end
      local fields = { hosts = "web[001-006]", serial = { 1, 2 }, step = step, after_wave = look(function() end) }
      assert.equal(5, #run(fields).ok)
      assert.same({ "1/4 web001 0 1", "2/4 web002 web003 1 2", "3/4 web004 web005 0 4", "4/4 web006 0 5" }, seen)
      for complaint, ending in pairs{
        ["after wave 2: after_wave returned false"] = function() return false end,
        ["after wave 2: unwell"] = function() error("unwell", 0) end,
        ["after wave 2: out of paper"] = function() rpc.web001.fail():get() end,
      } do
        fields.after_wave, fields.name = look(ending), nil
        local done = run(fields)
        assert.same({ complaint, 2, 3 }, { done.stopped, #done.ok, #done.not_reached })
      end
    end)
  end)

  -- ---- steps ----

  describe("steps", function()
    it("are remembered over attempts, also what a job returned", function()
      local calls = 0
      local done = run{
        hosts = "web001", retries = { 1, backoff = 0 },
        step = function(host)
          local first = batch.step("first", function() calls = calls + 1 return calls end)
          local second = batch.step("second", function(same) return same.mark "second" end)
          local nothing = batch.step("nothing", function() calls = calls + 10 end)
          local no = batch.step("no", function(same) return same.no() end)
          return { first, second, nothing == nil, no, host.flaky("flaky", 1):get() }
        end,
      }
      assert.same({ 1, "marked", true, false, 2 }, done.results.web001.value)
      assert.equal(11, calls)
      assert.same({ "second", "flaky", "flaky" }, lines_of_runs())
    end)

    it("lie in each other, and are called from tasks", function()
      local done = run{
        hosts = "web001,web002",
        step = function(host, name)
          local outer = batch.step("outer", function()
            return batch.step("inner", function() return name end) .. batch.step("other", function() return "!" end)
          end)
          local in_task = batch.step("around", function()
            return harp.timeout(10, function()
              return batch.step("task", function(same) return same.mark(name) end) .. tostring(batch.is_dry_run())
            end)
          end)
          local from_task = harp.timeout(10, function() return batch.step(host, "task", function() return 1 end) end)
          return { outer, in_task, from_task }
        end,
      }
      assert.same({ "web002!", "markedfalse", 1 }, done.results.web002.value)
      local steps = {}
      for _, event in ipairs(events_of(done.id)) do
        if event.event == "step" and event.host == "web001" then steps[#steps + 1] = event.name end
      end
      assert.equal("outer/inner outer/other outer around/task around task", words(steps))
    end)

    it("that make no sense are refused", function()
      local function complaint(fn)
        local done = run{ hosts = "web001", retries = { 1, backoff = 0 }, step = fn }
        assert.same({ "error", 1 }, { done.results.web001.outcome, done.results.web001.attempts })
        return done.results.web001.message
      end
      local function nothing() end
      for text, fn in pairs{
        ["there are two steps \"a\" of one host"] = function() batch.step("a", nothing) batch.step("a", nothing) end,
        ["a step has a name, a text in UTF-8"] = function() batch.step("a\xff", function() error "was run" end) end,
        ["step \"a\" has no function"] = function() batch.step "a" end,
        ["what step \"a\" returns cannot be remembered"] = function() batch.step("a", function() return print end) end,
        ["there are two steps \"a\" of one host: "] = function()
          harp.map({ 1, 2 }, function() batch.step("a", function() harp.sleep(0.1) end) end)
        end,
      } do
        local message = complaint(fn)
        assert.truthy(message:find("batch.step: " .. text, 1, true), message)
        assert.truthy(message:find "^[^\n]*batch_faults_spec%.lua:%d+: ", message)
      end
      assert.truthy(raised(batch.step, "a", nothing):find("this is not the step of a batch", 1, true))
    end)
  end)

  -- ---- the jobs ----

  describe("jobs", function()
    it("say of which batch they are, and what the recipe says of them", function()
      local done = run{
        hosts = "web001,web002", retries = { 1, backoff = 0 },
        step = function(host, name)
          batch.step("first", function(same) return same{ info = "mine" }.mark(name) end)
          return host.flaky("flaky " .. name, 1)
        end,
      }
      local seen = {}
      for job in rpc:jobs{ info = done.id } do
        local about = job.info.batch
        seen[#seen + 1] = ("%s %s %s %s %s"):format(about.host, job.procedure, about.step, about.attempt, job.info.info)
        assert.same({ done.id, 2, about.host, { host = about.host } },
          { about.run, about.hosts, job.host, job.queue })
      end
      table.sort(seen)
      assert.same({
        "web001 flaky nil 1 nil", "web001 flaky nil 2 nil", "web001 mark first 1 mine",
        "web002 flaky nil 1 nil", "web002 flaky nil 2 nil", "web002 mark first 1 mine",
      }, seen)
    end)

    it("that cannot be submitted are errors, and not in doubt", function()
      local done = run{
        hosts = "web001", queue = function() return 5 end, step = function(host) return host.sum(1, 2) end,
      }
      assert.same({ "web001" }, done.error)
      assert.truthy(done.results.web001.message:find("queue must be a table", 1, true), done.results.web001.message)
    end)

    it("have no other dedup key than that of the batch", function()
      local done = run{ hosts = "web001", step = function(host) return host{ dedup = { key = 1 } }.mark "x" end }
      assert.same({ "web001" }, done.error)
      assert.truthy(done.results.web001.message:find("leave out dedup", 1, true), done.results.web001.message)
      assert.same({}, lines_of_runs())
    end)

    it("of two batches wait for each other on each host, unless they are told not to", function()
      -- How many are inside at once: each stays for so long, or until there is another.
      local function both(seconds, queue)
        harness.write(directory .. "/runs", "")
        local function one() return run{ hosts = "web[001-003]", queue = queue, step = function(host, name)
          return host.meet(name, seconds)
        end } end
        local other = harp.spawn(one)
        assert.equal(3, #one().ok)
        other:join()
        local most, inside = 0, {}
        for _, line in ipairs(lines_of_runs()) do
          local name, what = line:match "^(%S+) (%S+)$"
          inside[name] = (inside[name] or 0) + (what == "in" and 1 or -1)
          most = math.max(most, inside[name])
        end
        return most
      end
      assert.equal(1, both(0.3, nil))
      assert.equal(2, both(harness.PATIENCE, false))
      assert.equal(2, both(harness.PATIENCE, function(name) return { name = name, by = math.random() } end))
      assert.equal(1, both(0.3, function(name) return { shared = name } end))
    end)
  end)

  -- ---- long values ----

  describe("long values", function()
    local TEXT = [[
    local run = batch.run{
      name = "long", caller = rpc, hosts = "web[001-003]", show = "none",
      step = function(host, name)
        if name == "web001" then return host.text(100000) end
        if name == "web002" then return { host.text(100000):get(), host.sum(1, 2):get() } end
        if arg[1] then os.exit(9) end
      end,
      concurrency = 1,
    }
    local results = run.results
    print(#results.web001.value, #results.web002.value[1], results.web002.value[2], results.web003.outcome)]]

    it("are there, also when the run was taken up", function()
      local one = recipe.new(dispatcher.address, TEXT)
      assert.equal("100000\t100000\t3\tok\n", (one:run()))
      os.remove(one:path(one:ids "long"[1]))
      assert.equal(9, select(3, one:run(nil, one.script .. " leave")))
      harness.write(one.script, (harness.read(one.script):gsub("if arg%[1%][^\n]*", "")))
      assert.same({ "100000\t100000\t3\tok\n", "", 0 }, { one:resume "long" })
      -- What a job has is not in the journal besides.
      assert.truthy(#harness.read(one:path(one:ids "long"[1])) < 150000)
    end)
  end)

  describe("packets", function()
    it("are kept up to a size, the last ones, and told apart by all that there were", function()
      local done = run{
        hosts = "web[001-003]",
        step = function(host, name) return host.talk(name == "web003" and "other" or "same", 200, 1000) end,
      }
      assert.equal("web001 web002 web003", words(done.ok))
      local result = done.results.web001
      assert.same({ 200, true }, { result.count, #result.packets > 50 and #result.packets < 66 })
      local record = require "harp.batch.journal".read(done.id)
      local lines = table.concat(require "harp.batch.summary".lines(record, 80), "\n")
      local title = "\n2 hosts: the same  web[001-002]\n    … 135 packets and 57 lines before\n"
      assert.truthy(lines:find(title, 1, true), lines)
      local groups = require "harp.batch.host_output".groups(record)
      assert.same({ 2, 1 }, { #groups[1].hosts, #groups[2].hosts })
      assert.equal("packets, the last 65 of 200", groups[1].parts[1][1])
    end)

    it("that are nested too deeply for the journal are not kept", function()
      local record = new_record()
      record:apply{ event = "run", run = "a-bbbbbb", name = "a", hosts = { "x" }, waves = { 1 } }
      record:apply{ event = "packet", host = "x", data = harp.decode(("["):rep(200) .. ("]"):rep(200)) }
      record:apply{ event = "packet", host = "x", data = "next" }
      assert.same({ { "next" }, 2 }, { record.by_host.x.packets, record.by_host.x.count })
    end)
  end)
end)
