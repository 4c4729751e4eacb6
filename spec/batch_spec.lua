-- Batches as people have them: harp batch, recipes that use harp.batch, and
-- Ctrl-C. What goes wrong with hosts is in batch_faults_spec.

local harness = require "spec.support.harness"
local harp = require "harp"
local screen = require "spec.support.screen"

local eventually, quote = harness.eventually, harness.quote

describe("a batch", function()
  local daemon, dispatcher, directory, rpc, environment

  setup(function()
    daemon = harness.daemon()
    local entry = harness.host_entry(daemon)
    dispatcher = harness.dispatcher{ daemon = daemon,
      settings = ("for i = 1, 20 do hosts[('db%%02d'):format(i)] = %s end"):format(entry) }
    rpc = harp.caller(dispatcher.address)
  end)

  before_each(function()
    directory = harness.directory()
    environment = ("XDG_STATE_HOME=%s HARP_CALLER=%s"):format(directory, dispatcher.address)
  end)

  teardown(function()
    screen.close_all()
    harness.clean_up()
  end)

  -- Runs harp: standard output, standard error, status.
  local function run(arguments)
    local errors = directory .. "/errors"
    local output, status = harness.shell(("cd %s; %s %s %s 2>%s"):format(
      directory, environment, harness.program, arguments, errors))
    return output, harness.read(errors), status
  end

  local function recipe(text) return harness.write(directory .. "/recipe.lua", text) end

  local function marks()
    local list = {}
    local file = io.open(directory .. "/marks")
    for line in file and file:lines() or function() end do list[#list + 1] = line end
    table.sort(list)
    return list
  end

  local function events(output)
    local list = {}
    for line in output:gmatch "[^\n]+" do list[#list + 1] = harp.decode(line) end
    return list
  end

  -- The events of one kind, by `field`.
  local function all_of(list, kind, field)
    local found = {}
    for _, event in ipairs(list) do
      if event.event == kind then found[#found + 1] = event[field] end
    end
    return found
  end

  local function id_of(text) return text:match "([%w_.-]+%-%w%w%w%w%w%w)" end

  describe("of the command", function()
    it("calls a procedure on a selection of hosts, and sums up", function()
      local output, errors, status = run "batch 'db[01-20],!db07' sum 2 3"
      assert.same({ "", 0 }, { errors, status })
      assert.truthy(output:find("db01: ok", 1, true), output)
      assert.truthy(output:find("19 ok", 1, true), output)
      assert.truthy(output:find("db[01-06,08-20]", 1, true), output)
      assert.falsy(output:find("db07:", 1, true), output)
    end)

    it("takes arguments by name, globs, and limits", function()
      local output, _, status = run "batch --jsonl --limit '*1,!db11' 'db*' sum a=1 b=2"
      assert.equal(0, status)
      local ends = events(output)
      assert.same({ "db01" }, all_of(ends, "end", "host"))
      assert.same({ 3 }, all_of(ends, "end", "value"))
    end)

    it("prints each event as a line of JSON, packets too", function()
      local output, errors, status = run "batch --jsonl db01,db02 count 2"
      assert.same({ "", 0 }, { errors, status })
      local list = events(output)
      assert.equal("run", list[1].event)
      assert.equal("finish", list[#list].event)
      assert.same({ "db01", "db02" }, list[1].hosts)
      local packets = all_of(list, "packet", "data")
      table.sort(packets, function(a, b) return a.i < b.i end)
      assert.same({ { i = 1 }, { i = 1 }, { i = 2 }, { i = 2 } }, packets)
      for _, job in ipairs(all_of(list, "job", "job")) do assert.same({ msg = "end" }, rpc:job(job):result()) end
    end)

    it("shows no secrets of its words in lines of JSON, and keeps them", function()
      local output, errors, status = run [[batch --jsonl --queue '{"token":"hush"}' db01 sum 1 2]]
      assert.same({ "", 0 }, { errors, status })
      assert.is_nil(output:find "hush")
      local first = events(output)[1]
      assert.same({ "--jsonl", "--queue", '{"token":"***"}', "db01", "sum", "1", "2" }, first.program.arguments)
      assert.truthy(harness.read(("%s/harp/runs/%s.jsonl"):format(directory, first.run)):find "hush")
    end)

    it("fails when its output could not be written, but not when nobody reads it", function()
      for _, option in ipairs{ "--quiet", "--jsonl", "" } do
        local _, errors, status = run(("batch %s db01 sum 1 2 >/dev/full"):format(option))
        assert.same({ "harp: not all that the batch did could be shown: No space left on device\n", 1 },
          { errors, status }, option)
      end
      assert.equal(1, (select(3, run "attach --all --json sum >/dev/full")))
      assert.equal(4, (select(3, run "batch --quiet db01,nobody sum 1 2 >/dev/full")))
      -- The call ends when nobody reads any more.
      local gone = harness.write(directory .. "/gone", "")
      harness.shell(([[
        cd %s
        echo %s >stay
        (env --default-signal=PIPE %s %s batch --jsonl db01 shell 'sh %s/stay' 2>errors
        echo $? >status) | (head -n 1; exec <&-; echo gone >gone)]]):format(
        directory, quote(harness.until_in(gone, "gone")), environment, harness.program, directory))
      assert.equal("harp: not all that the batch did could be shown: nobody reads it any more\n0\n",
        harness.read(directory .. "/errors") .. harness.read(directory .. "/status"))
    end)

    it("leaves it to the script whether a closed pipe ends it", function()
      local script = harness.write(directory .. "/pipe.lua", [[
        require "harp.batch".run{ hosts = "db01", show = "none", step = function(host) return host.sum(1, 2) end }
        for _ = 1, 1e6 do print "more" end]])
      harness.shell(([[
        cd %s
        (env --default-signal=PIPE %s %s run %s 2>errors
        echo $? >status) | head -n 1]]):format(directory, environment, harness.program, script))
      assert.same({ "", 128 + 13 },
        { harness.read(directory .. "/errors"), tonumber(harness.read(directory .. "/status")) })
    end)

    it("ends with the status of the worst host", function()
      for arguments, status in pairs{
        ["db01 boom no"] = 3, ["db01,nobody sum 1 2"] = 4, ["refused,db01 sum 1 2"] = 6,
        ["--timeout 0.2 db01,db02 sleep 30"] = 7, ["nowhere,db01 boom no"] = 6,
      } do
        local _, _, got = run("batch --quiet " .. arguments)
        assert.equal(status, got, arguments)
      end
    end)

    it("goes in waves, and stops where too many fail", function()
      local output, _, status = run
        "batch --jsonl --serial 1,2,50% --max-fail 0 db01,db02,nobody,db03,db04,db05 sum 1 2"
      local list = events(output)
      assert.equal(4, status)
      assert.same({ 1, 2, 3 }, list[1].waves)
      assert.same({ "db01", "db02", "nobody" }, (function()
        local hosts = all_of(list, "end", "host")
        table.sort(hosts)
        return hosts
      end)())
      assert.same({ "1 of 2 hosts of wave 2 failed, and max_fail is 0" }, all_of(list, "stop", "reason"))
    end)

    it("says what it would do", function()
      local output, _, status = run "batch --dry-run --serial 1,100% 'db[01-03]' sum '[1]' 2"
      assert.equal(0, status)
      assert.equal([[
dry run of sum: 3 hosts, 50 at once; nothing is called
wave 1 of 2, 1 host: db01
wave 2 of 2, 2 hosts: db[02-03]
3 hosts: db[01-03]
    sum([1],2)
]], output)
      assert.equal(0, #rpc:jobs{ info = "dry run" }:all())
      local shown = run "batch --dry-run db01 sum a=1 password=hush"
      assert.truthy(shown:find('sum({"a":1,"password":"***"})', 1, true), shown)
    end)

    it("writes reports", function()
      local _, _, status = run "batch --quiet --report page.html --junit junit.xml db01,db02 sum 1 2"
      assert.equal(0, status)
      assert.truthy(harness.read(directory .. "/page.html"):find("db02", 1, true))
      assert.truthy(harness.read(directory .. "/junit.xml"):find("<testsuite", 1, true))
    end)

    it("refuses what makes no sense, in a line", function()
      for arguments, text in pairs{
        [""] = "missing argument 'hosts'", ["db01"] = "missing argument 'procedure'",
        ["--serial 1,x db01 sum"] = "'x' is neither a number of hosts nor a share of them",
        ["--serial 0 db01 sum"] = "a wave has at least one host",
        ["--concurrency 0 db01 sum"] = "'0' is no number above 0",
        ["--on-fail never db01 sum"] = "--on-fail", ["--name a/b db01 sum"] = "'a/b' is no name of a run",
        ["'zz*' sum"] = "zz*", ["--limit db02 db01 sum"] = "limit leaves none of the hosts",
        ["'' sum"] = "no host is meant", ["--limit '' db01 sum"] = "no host is meant",
        ["--queue '{bad' db01 sum"] = "'{bad' is no queue: ", ["--queue [1] db01 sum"] = "it is an array",
        ["--report '' db01 sum"] = "'' is no path of a file", ["--retries -1 db01 sum"] = "'-1' is no number from 0 on",
        ["@nobodys sum"] = "@nobodys", ["@nothing:failed sum"] = "no run nothing",
      } do
        local output, errors, status = run("batch " .. arguments)
        assert.equal("", output)
        assert.equal(2, status, arguments .. ": " .. errors)
        assert.truthy(errors:find(text, 1, true), errors)
        assert.equal(1, select(2, errors:gsub("\n", "")), errors)
      end
    end)

    it("says that hosts are one word, where the next one was taken for a procedure", function()
      for words, hosts in pairs{ ["db01 db02 sum 1 2"] = "db01,db02", ["db01 'db0*' sum 1 2"] = "db01,db0*" } do
        local _, errors, status = run("batch --quiet " .. words)
        assert.same({ ("harp batch: hosts are one word: %s\n"):format(hosts), 4 }, { errors, status })
      end
      assert.same({ "", 4 }, { select(2, run "batch --quiet db01 smu 1 2") })
      assert.same({ "", 0 }, { select(2, run "batch --dry-run db01 db02") })
    end)

    it("takes hosts of an earlier run", function()
      local _, _, status = run "batch --quiet --name first db01,nobody,db02,refused sum 1 2"
      assert.equal(6, status)
      local output = run "batch --jsonl --name second @first:failed sum 1 2"
      assert.same({ "nobody", "refused" }, events(output)[1].hosts)
      output = run "batch --jsonl --limit @first:ok 'db*' sum 1 2"
      assert.same({ "db01", "db02" }, events(output)[1].hosts)
    end)

    it("tells in a line that the dispatcher cannot be reached, and begins no run", function()
      environment = "XDG_STATE_HOME=" .. directory
      local output, errors, status = run "batch --caller 127.0.0.1:1 db01 sum 1 2"
      assert.same({ "", 6 }, { output, status })
      assert.truthy(errors:find "^harp batch: econnrefused: [^\n]*\n$", errors)
      assert.equal("", (run "runs"))
    end)
  end)

  describe("of a recipe", function()
    local HEAD = 'local batch = require "harp.batch"\n'

    it("has its options, and its name", function()
      recipe(HEAD .. [[
        local args = batch.args{ "Adds.", { "--more", "how much", type = "integer", default = 1 } }
        local run = batch.run{ options = args, show = "none", concurrency = 3,
          step = function(host) return host.sum(args.more, 2) end }
        print(run.name, #run.hosts, run.results.db01.value, run.code)
        for _, name in ipairs(run.failed) do print(name, run.results[name].outcome, run.results[name].type) end]])
      local output, errors, status = run "recipe.lua --more 5 'db[01-10]' nobody --limit '!db02'"
      assert.equal("", errors)
      assert.equal("recipe\t10\t7\t4\nnobody\terror\tunknown_host\n", output)
      assert.equal(4, status, "the status of its worst host")
      local help = run "recipe.lua --help"
      for _, text in ipairs{ "--more", "--serial", "--dry-run", "hosts", "Adds." } do
        assert.truthy(help:find(text, 1, true), help)
      end
      local _, complaint, wrong = run "recipe.lua db01 --max-fail lots"
      assert.equal(2, wrong)
      assert.truthy(complaint:find("'lots' is neither a number of hosts nor a share", 1, true), complaint)
    end)

    it("runs under stock lua5.4 too", function()
      recipe(HEAD .. [[
        local run = batch.run{ hosts = "db[01-05]", concurrency = 2, show = "none",
          step = function(host) return host.sum(1, 2) end }
        print(#run.ok, run.results.db05.value)]])
      local output, status = harness.shell(("cd %s; env %s %s recipe.lua"):format(
        directory, environment, harness.stock_lua()))
      assert.same({ "5\t3\n", 0 }, { output, status })
    end)

    it("ends with the status that it gives itself", function()
      recipe(HEAD .. [[
        local run = batch.run{ hosts = "nobody", show = "none", step = function(host) return host.sum(1, 2) end }
        os.exit(run.failed[1] == "nobody" and 0 or 1)]])
      assert.equal(0, (select(3, run "recipe.lua")))
    end)

    it("refuses options that nobody knows, or that cannot be", function()
      for text, complaint in pairs{
        ["batch.run{ host = 'x' }"] = "nobody knows the option \"host\"",
        ["batch.run{ hosts = 'x' }"] = "step is missing",
        ["batch.run{ step = print }"] = "hosts is missing",
        ["batch.run{ hosts = 'x', step = print, concurrency = 0 }"] = "concurrency must be",
        ["batch.run{ hosts = 'x', step = print, serial = { '5%', '0%' } }"] = "serial must be",
        ["batch.run{ hosts = 'x', step = print, retries = { 1, backof = 2 } }"] = "retries must be",
        ["batch.run{ hosts = 'x', step = print, caller = {} }"] = "caller must be a harp.caller",
        ["batch.run()"] = "a table of options",
        ["batch.step('x', print)"] = "this is not the step of a batch",
      } do
        recipe(HEAD .. text)
        local _, errors, status = run "recipe.lua"
        assert.equal(1, status, text)
        assert.truthy(errors:find(complaint, 1, true), errors)
      end
    end)

    local TWO = HEAD .. [[
      local function mark(host, name, text) return host.mark("%s/marks", name .. " " .. text):get() end
      local first = batch.run{ name = "first", hosts = "db[01-03]", show = "none",
        step = function(host, name) return mark(host, name, "one") end }
      local second = batch.run{ name = "second", hosts = first.ok, show = "none", concurrency = 1,
        step = function(host, name)
          local word = batch.step("prepare", function() return mark(host, name, "two") end)
          if name == "db02" and os.getenv "DIE" then os.execute("kill -9 $PPID") end
          return word .. mark(host, name, "three")
        end }
      print(first.code, second.code, second.results.db02.value)]]

    it("that died goes on where it was, in the batch where it was", function()
      recipe(TWO:format(directory))
      environment = environment .. " DIE=1"
      local _, _, died = run "recipe.lua"
      assert.equal(137, died)
      assert.same({ "db01 one", "db01 three", "db01 two", "db02 one", "db02 two", "db03 one" }, marks())
      environment = environment:gsub(" DIE=1", "")
      local output, errors, status = run "run --resume second"
      assert.same({ "0\t0\tdb02 twodb02 three\n", "", 0 }, { output, errors, status })
      assert.same({
        "db01 one", "db01 three", "db01 two", "db02 one", "db02 three", "db02 two", "db03 one", "db03 three",
        "db03 two",
      }, marks())
      -- It is over: nothing is done again, and nothing is lost.
      assert.same({ "0\t0\tdb02 twodb02 three\n", "", 0 }, { run "run --resume second" })
      assert.equal(9, #marks())
    end)

    it("that died is taken up when it is run again, and begins anew when it was over", function()
      recipe(TWO:format(directory))
      environment = environment .. " DIE=1"
      run "recipe.lua"
      environment = environment:gsub(" DIE=1", "")
      assert.equal(0, (select(3, run "recipe.lua")))
      assert.equal(9, #marks())
      assert.equal(0, (select(3, run "recipe.lua")))
      assert.equal(18, #marks())
    end)

    it("is resumed by its script and its arguments, wherever one is", function()
      recipe(HEAD .. [[
        local args = batch.args{ "…" }
        batch.run{ options = args, name = "far", show = "none", step = function(host, name)
          host.mark("]] .. directory .. [[/marks", name):get()
          if name == "db02" and #args.hosts == 2 and os.getenv "DIE" then os.execute("kill -9 $PPID") end
        end, concurrency = 1 }]])
      environment = environment .. " DIE=1"
      run "recipe.lua db01 db02"
      environment = environment:gsub(" DIE=1", "")
      local _, status = harness.shell(("cd /; %s %s run --resume far"):format(environment, harness.program))
      assert.equal(0, status)
      assert.same({ "db01", "db02" }, marks())
    end)

    it("cannot be resumed when there is none, or another one with it", function()
      local _, errors, status = run "run --resume nothing"
      assert.equal(2, status)
      assert.truthy(errors:find("there is no run nothing", 1, true), errors)
      _, errors, status = run "run --resume nothing script.lua"
      assert.equal(2, status)
      assert.truthy(errors:find("give no other", 1, true), errors)
    end)
  end)

  describe("that Ctrl-C", function()
    -- Waits until the process at the terminal knows so many jobs of a run of that name.
    local function await_jobs(name, count)
      eventually(function()
        local journal = harness.shell(("cat %s/harp/runs/%s-*.jsonl 2>/dev/null"):format(directory, name))
        return select(2, journal:gsub('"event":"job"', "")) == count
      end)
    end

    local function at_terminal(arguments)
      return screen.open(("sh -c 'trap : INT; cd %s; %s %s %s; echo status $?; sleep 60'"):format(
        directory, environment, harness.program, arguments:gsub("'", "'\\''")),
        { directory = directory, columns = 100 })
    end

    -- How many jobs of the run have each state, or another field.
    local function states(run_id, field)
      local counts = {}
      for job in rpc:jobs{ info = run_id } do
        local is = job[field or "state"]
        counts[is] = (counts[is] or 0) + 1
      end
      return counts
    end

    it("leaves goes on at its hosts, and is taken up later", function()
      local go = harness.write(directory .. "/go", "")
      local stay = harness.write(directory .. "/stay", harness.until_in(go, "on"))
      local it_is = at_terminal(("batch --concurrency 4 --name left 'db[01-08]' shell 'sh %s'"):format(stay))
      await_jobs("left", 4)
      it_is:press "C-c"
      local text = it_is:expect "status 130"
      assert.truthy(text:find("was left: 4 hosts go on, 4 not reached", 1, true), text)
      local id = id_of(text)
      assert.truthy(text:find("harp run --resume " .. id, 1, true), text)
      it_is:close()
      harness.write(go, "on")
      eventually(function() return states(id).ended == 4 end)
      local output, _, status = run("run --resume " .. id)
      assert.equal(0, status)
      assert.truthy(output:find("8 ok", 1, true), output)
      assert.equal(8, states(id).ended)
    end)

    it("leaves is cancelled by a second one", function()
      -- There are 2 s for the second one, which a slow machine may take: one good try of some counts.
      local it_is, text
      for i = 1, 10 do
        it_is = at_terminal(("batch --concurrency 4 --name again%d 'db[01-08]' sleep 100"):format(i))
        await_jobs("again" .. i, 4)
        it_is:press "C-c"
        it_is:expect "Ctrl-C again"
        harp.sleep(0.1)         -- as long as a person needs
        it_is:press "C-c"
        text = it_is:expect "status "
        if not text:find "status 130" then break end
        for job in rpc:jobs{ info = id_of(text) } do rpc:job(job.id):cancel() end
        it_is:close()
      end
      assert.truthy(text:find("status 5", 1, true), text)
      assert.truthy(text:find("4 cancelled", 1, true), text)
      assert.truthy(text:find("4 not reached", 1, true), text)
      local id = id_of(text)
      assert.same({ ended = 4 }, states(id))
      for job in rpc:jobs{ info = id } do assert.equal("cancelled", job.outcome) end
      it_is:close()
    end)

    it("is one when it comes twice at once, as timeout passes it on: to harp, and to its group", function()
      -- (a machine that stands still in between makes two of them)
      assert.is_true(harness.is_below(1, function()
        local output = harness.write(directory .. "/output", "")
        harness.shell(("cd %s; %s env --default-signal=INT %s batch db18 count 2 0.5 >%s 2>&1 & pid=$!\n%s\n%s"):format(
          directory, environment, harness.program, output, harness.until_in(output, "db18 | "),
          "kill -INT $pid; sleep 0.01; kill -INT $pid; wait $pid"))
        local id = id_of(harness.read(output))
        eventually(function() return states(id).ended == 1 end)
        return states(id, "outcome").cancelled or 0
      end))
    end)

    it("ends a recipe too", function()
      recipe(([[
        local batch = require "harp.batch"
        batch.run{ name = "r", hosts = "db19", step = function(host) return host.sleep(100) end }
        os.execute("touch %s/went-on")]]):format(directory))
      local it_is = at_terminal "recipe.lua"
      it_is:expect "1 running"
      it_is:press "C-c"
      it_is:expect "status 130"
      assert.is_nil(io.open(directory .. "/went-on"))
      it_is:close()
    end)
  end)

  it("is for its owner alone to read", function()
    run "batch --quiet db01 sum 1 2"
    local modes = harness.shell(("stat -c %%a %s/harp/runs %s/harp/runs/*"):format(quote(directory), quote(directory)))
    assert.equal("700\n600\n", modes)
  end)
end)
