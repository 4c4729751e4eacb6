-- harp runs: the runs of batches, by their journals.

local harness = require "spec.support.harness"
local harp = require "harp"

local quote = harness.quote

describe("harp runs", function()
  local home

  before_each(function() home = harness.directory() end)
  teardown(harness.clean_up)

  local function shell(command)
    return harness.shell(("export XDG_STATE_HOME=%s XDG_CONFIG_HOME=%s; %s"):format(home, home, command))
  end

  local function run(arguments)
    local output, status = shell(("%s runs %s 2>%s/errors"):format(harness.program, arguments, home))
    return output, harness.read(home .. "/errors"), status
  end

  local function at_terminal(arguments)
    local inside = ("stty cols 100 rows 24; exec %s runs %s"):format(harness.program, arguments)
    local output, status = shell(("NO_COLOR=1 script -qefc %s /dev/null </dev/null"):format(quote(inside)))
    return output:gsub("\r", ""), status
  end

  local function records(arguments)
    local output, errors, status = run(arguments or "")
    assert.same({ "", 0 }, { errors, status })
    local list = {}
    for line in output:gmatch "[^\n]+" do list[#list + 1] = harp.decode(line) end
    return list
  end

  local function ids(arguments)
    local list = records(arguments)
    for i, record in ipairs(list) do list[i] = record.run end
    return list
  end

  local WRITE = [[
    require "harp"
    local journal = require "harp.batch.journal"
    local run, hosts, outcomes, more, hold = %q, %s, %s, %s, %q
    local writer = journal.open(run)
    writer:add{ event = "run", run = run, name = run:match "^(.*)%%-", hosts = hosts, waves = { #hosts } }
    writer:add{ event = "wave", wave = 1 }
    for i, outcome in ipairs(outcomes) do
      writer:add{ event = "start", host = hosts[i], attempt = 1 }
      local message = outcome ~= "ok" and "it is " .. outcome or nil
      writer:add{ event = "end", host = hosts[i], outcome = outcome, value = i, message = message }
    end
    for _, event in ipairs(more) do writer:add(event) end
    if hold ~= "" then
      print "held"
      os.execute("read _ <" .. hold)
    end]]

  local FINISH, STOP = "{ event = 'finish' }", "{ event = 'stop', reason = 'too many' }"

  local function list_of(words)
    local list = {}
    for word in words:gmatch "%S+" do list[#list + 1] = ("%q"):format(word) end
    return "{" .. table.concat(list, ",") .. "}"
  end

  local function text_of(id, hosts, outcomes, more, hold)
    return WRITE:format(id, list_of(hosts), list_of(outcomes), "{" .. (more or FINISH) .. "}", hold or "")
  end

  -- Writes the journal of a run: its hosts, how the first of them ended, and
  -- events behind that.
  local function write(...)
    local output, status = shell(("%s -e %s 2>&1"):format(harness.program, quote(text_of(...))))
    assert.same({ "", 0 }, { output, status })
  end

  -- A run that another process has, until the function that is returned is called.
  local function hold(id, hosts, outcomes)
    local fifo = home .. "/fifo"
    harness.shell("mkfifo " .. fifo)
    local pipe = io.popen(("XDG_STATE_HOME=%s exec %s -e %s"):format(
      home, harness.program, quote(text_of(id, hosts, outcomes, "", fifo))))
    assert.equal("held", pipe:read "l")
    return function()
      harness.shell("echo >" .. fifo)
      pipe:close()
    end
  end

  -- Sets the times of all that a journal has.
  local function age(id, seconds)
    local path = ("%s/harp/runs/%s.jsonl"):format(home, id)
    harness.write(path, (harness.read(path):gsub('"time":[%d.]+', ('"time":%d'):format(os.time() - seconds))))
  end

  it("lists them, the newest first, with what became of them", function()
    write("nginx-aaaaaa", "a b c", "ok exception ok")
    age("nginx-aaaaaa", 7200)
    write("deploy-bbbbbb", "a b c d", "unreachable", STOP .. "," .. FINISH)
    age("deploy-bbbbbb", 600)
    write("nginx-cccccc", "a b", "ok", "{ event = 'start', host = 'b', attempt = 1 }")
    local list = records()
    local function short(one) return { one.run, one.state, one.hosts, one.ok, one.failed, one.not_reached } end
    assert.same({ "nginx-cccccc", "unfinished", 2, 1, 0, 0 }, short(list[1]))
    assert.same({ "deploy-bbbbbb", "stopped", 4, 0, 1, 3 }, short(list[2]))
    assert.same({ "nginx-aaaaaa", "finished", 3, 2, 1, 0 }, short(list[3]))
    assert.same({ "nginx", "too many", 1, 1 },
      { list[1].name, list[2].stopped, list[3].counts.exception, list[1].counts.running })
    assert.truthy(list[3].time["end"] <= os.time() - 7200 and list[1].time["end"] == nil)
    local output, status = at_terminal ""
    assert.equal(0, status)
    for _, line in ipairs{
      "^RUN +STATE +HOSTS +OK +FAILED +NOT REACHED +AGE +TOOK\nnginx%-cccccc +unfinished +2 +1 +0 +0 ",
      "\ndeploy%-bbbbbb +stopped +4 +0 +1 +3 +10m +<1s\nnginx%-aaaaaa +finished +3 +2 +1 +0 +2h ",
    } do assert.truthy(output:find(line), output) end
  end)

  it("says that there are none", function()
    assert.same({ "", "", 0 }, { run "" })
    assert.same({ "harp runs: there are none\n", 0 }, { at_terminal "" })
  end)

  it("lists some of them", function()
    write("nginx-aaaaaa", "a b", "ok timeout")
    write("nginx-bbbbbb", "a", "", "")
    write("deploy-cccccc", "a", "ok")
    assert.same({ "nginx-bbbbbb", "nginx-aaaaaa" }, ids "--name nginx")
    assert.same({ "nginx-aaaaaa" }, ids "--failed")
    assert.same({ "nginx-bbbbbb" }, ids "--unfinished")
    assert.same({}, ids "--unfinished --failed")
  end)

  it("knows which one runs, and does not remove it", function()
    local release = hold("nginx-aaaaaa", "a b", "ok")
    age("nginx-aaaaaa", 7200)
    assert.equal("running", records()[1].state)
    local output, errors, status = run "remove nginx-aaaaaa"
    assert.same({ "", "harp runs: nginx-aaaaaa is running: it stays\n", 1 }, { output, errors, status })
    assert.same({ { removed = 0, unfinished = 0 } }, records "--prune 1h --all")
    release()
    assert.equal("unfinished", records()[1].state)
    assert.same({ { removed = 1, unfinished = 0 } }, records "--prune 1h --all")
    assert.same({}, ids())
  end)

  it("removes what is old, but what is unfinished only when told so", function()
    for id, seconds in pairs{ ["old-aaaaaa"] = 90000, ["new-bbbbbb"] = 60 } do
      write(id, "a", "ok")
      age(id, seconds)
    end
    write("left-cccccc", "a", "", "")
    age("left-cccccc", 90000)
    assert.same({ { removed = 1, unfinished = 1 } }, records "--prune 1d")
    assert.same({ "new-bbbbbb", "left-cccccc" }, ids())
    assert.same({ "removed 1 run\n", 0 }, { at_terminal "--prune 1d --all" })
    assert.same({ "new-bbbbbb" }, ids())
    assert.same({ "removed 0 runs\n", 0 }, { at_terminal "--prune 1d" })
  end)

  it("are forgotten when another begins, long after their end, unless the configuration says otherwise", function()
    harness.shell(("mkdir %s/harp"):format(home))
    local function begin(settings)
      harness.write(home .. "/harp/config.lua", settings or "")
      for id, more in pairs{ ["old-aaaaaa"] = FINISH, ["left-bbbbbb"] = "", ["new-cccccc"] = FINISH } do
        write(id, "a", "ok", more)
        age(id, id:find "new" and 80 * 86400 or 100 * 86400)
        harness.shell(("touch -d '-%d days' %s/harp/runs/%s.jsonl"):format(id:find "new" and 80 or 100, home, id))
      end
      local output, status = shell(("%s -e %s 2>&1"):format(harness.program, quote [[
        require "harp"
        require "harp.batch.session".open("next"):close()]]))
      assert.same({ "", 0 }, { output, status })
      local list = ids()
      table.sort(list)
      harness.shell(("rm -r %s/harp/runs"):format(home))
      return list
    end
    assert.same({ "left-bbbbbb", "new-cccccc" }, begin())
    assert.same({ "left-bbbbbb" }, begin "keep_runs = '30d'")
    assert.same({ "left-bbbbbb", "new-cccccc", "old-aaaaaa" }, begin "keep_runs = false")
    harness.write(home .. "/harp/config.lua", "keep_runs = 30")
    local output, status = shell(harness.program .. " config 2>&1")
    assert.equal(2, status)
    assert.truthy(output:find('config.lua: keep_runs: must be a time, such as "30d", or false', 1, true), output)
  end)

  it("removes those that are named: by ids, beginnings and names", function()
    write("nginx-aaaaaa", "a", "ok")
    write("nginx-bbbbbb", "a", "ok")
    write("deploy-cccccc", "a", "ok")
    assert.same({ { run = "deploy-cccccc", removed = true }, { run = "nginx-bbbbbb", removed = true } },
      records "remove dep nginx")
    assert.same({ "nginx-aaaaaa" }, ids())
    local _, errors, status = run "remove nix"
    assert.equal(2, status)
    assert.truthy(errors:find "^harp runs: no_run: there is no run nix[^\n]*\n$", errors)
  end)

  it("says which journal is damaged, and removes it", function()
    write("nginx-aaaaaa", "a", "ok")
    harness.write(home .. "/harp/runs/bad-bbbbbb.jsonl", "ju\27nk\n")
    local output, errors, status = run ""
    assert.equal(0, status)
    assert.truthy(output:find '^{"run":"nginx%-aaaaaa",[^\n]*\n$', output)
    assert.truthy(errors:find "bad%-bbbbbb is left out: [^\n]*ju\\x1bnk[^\n]*; harp runs remove bad%-bbbbbb\n", errors)
    assert.equal(1, #records "remove bad-bbbbbb")
    assert.same({ "nginx-aaaaaa" }, ids())
  end)

  it("are none before their first line: what died there is passed over, and pruned", function()
    write("nginx-aaaaaa", "a", "ok")
    write("nginx-bbbbbb", "a", "ok")
    local directory = home .. "/harp/runs/"
    harness.write(directory .. "nginx-aabbbb.jsonl", "")
    harness.write(directory .. "nginx-cccccc.jsonl", '{"event":"run","run":"nginx-cc')
    assert.same({ "nginx-bbbbbb", "nginx-aaaaaa" }, ids())
    for word, id in pairs{ ["nginx-aa"] = "nginx-aaaaaa", nginx = "nginx-bbbbbb" } do
      assert.equal(id, (records("show " .. word))[1].run)
    end
    local _, errors, status = run "show nginx-cccccc"
    assert.equal(2, status)
    assert.truthy(errors:find("there is no run nginx-cccccc", 1, true), errors)
    assert.same({ { removed = 0, unfinished = 0 } }, records "--prune 1d")
    assert.equal("nginx-aaaaaa.jsonl\nnginx-bbbbbb.jsonl\n", (harness.shell("ls " .. directory)))
  end)

  it("are not taken from who is about to write the first line", function()
    local fifo = harness.shell(("mkfifo %s/fifo; echo %s/fifo"):format(home, home)):gsub("\n", "")
    local text = [[
      require "harp"
      local writer = require "harp.batch.journal".open "nginx-aaaaaa"
      print "open"
      io.stdout:flush()
      os.execute "read _ <%s"
      writer:add{ event = "run", run = "nginx-aaaaaa", name = "nginx", hosts = { "a" }, waves = { 1 } }]]
    local pipe = io.popen(("XDG_STATE_HOME=%s exec %s -e %s"):format(
      home, harness.program, quote(text:format(fifo))))
    assert.equal("open", pipe:read "l")
    assert.same({ { removed = 0, unfinished = 0 } }, records "--prune 1d")
    assert.same({}, ids())
    harness.shell("echo >" .. fifo)
    pipe:close()
    assert.same({ "nginx-aaaaaa" }, ids())
  end)

  it("are on disk with their directories, once they were synced", function()
    local library = os.getenv "HARP_BUILD" .. "/fault.so"
    if not io.open(library) then return pending "no fault.so" end
    -- Writes and syncs of files whose path has that text in it.
    local function count(text)
      local at = harness.directory()
      local fault = "LD_PRELOAD=%s HARP_FAULT_FILE=%s HARP_FAULT='kill 1000 before' HARP_FAULT_COUNT=%s/count"
      local output, status = shell((fault .. " XDG_STATE_HOME=%s/state %s -e %s 2>&1"):format(
        library, text, at, at, harness.program, quote [[
          require "harp"
          local writer = require "harp.batch.journal".open "nginx-aaaaaa"
          for i = 1, 2 do
            writer:add{ event = "run", run = "nginx-aaaaaa", name = "nginx", hosts = { "a" }, waves = { 1 } }
            writer:sync()
          end]]))
      assert.same({ "", 0 }, { output, status })
      return (string.unpack("=I8", harness.read(at .. "/count")))
    end
    assert.same({ 4, 5, 6, 7 }, { count ".jsonl", count "/harp/runs", count "/state/harp", count "/state" })
  end)

  it("that cannot be written say why, and to make room where a disk is full", function()
    local library = os.getenv "HARP_BUILD" .. "/fault.so"
    if not io.open(library) then return pending "no fault.so" end
    local hint = "; make room there before it goes on"
    for number, words in pairs{
      [5] = "Input/output error", [28] = "No space left on device" .. hint, [122] = "Disk quota exceeded" .. hint,
    } do
      local fault = ("LD_PRELOAD=%s HARP_FAULT_FILE=.jsonl HARP_FAULT='fail 2 60000 %d'"):format(library, number)
      local output, status = shell(("%s %s -e %s 2>&1"):format(
        fault, harness.program, quote(text_of("nginx-aaaaaa", "a", "ok"))))
      assert.equal(1, status)
      assert.truthy(output:find(("nothing more is done: %s/harp/runs/nginx-aaaaaa.jsonl: %s\n"):format(home, words),
        1, true), output)
      assert.equal(1, #records "remove nginx")
    end
  end)

  it("tells the hosts of a run, and what became of them", function()
    write("nginx-aaaaaa", "a b c od\27d", "ok exception unknown error")
    assert.equal("a\nb\nc\nod\\x1bd\n", (run "hosts nginx"))
    assert.equal("b\nc\nod\\x1bd\n", (run "hosts nginx-aaaaaa:failed"))
    assert.equal("c\na\n", (run "hosts nginx:unknown nginx:ok"))
    assert.same({ "", "", 0 }, { run "hosts nginx:not_reached" })
    local _, errors, status = run "hosts nginx:nix"
    assert.truthy(errors:find "'nix' means no hosts of a run", errors)
    assert.equal(2, status)
    local list = records "show nginx"
    assert.same({ "nginx-aaaaaa", "a", "ok", 1 }, { list[1].run, list[1].host, list[1].outcome, list[1].value })
    assert.same({ "b", "exception", "it is exception" }, { list[2].host, list[2].outcome, list[2].message })
    assert.equal(4, #list)
  end)

  it("has the lists that the next batch takes", function()
    write("nginx-aaaaaa", "a b od,d", "ok exception timeout")
    local function hosts(selection)
      local output, status = shell(("%s -e %s 2>&1"):format(harness.program, quote(([[
        require "harp"
        local find = require "harp.batch.journal".find
        print(table.concat(require "harp.batch.hosts".expand(%q, { run = find }), " "))]]):format(selection))))
      return output, status
    end
    assert.same({ "b od,d\n", 0 }, { hosts "@nginx:failed" })
    assert.same({ "b\n", 0 }, { hosts "@nginx-a:failed,!@nginx:timeout" })
    local output, status = hosts "@nginx:unreachable"
    assert.equal(2, status)
    assert.truthy(output:find("the run nginx has no host that is unreachable", 1, true), output)
  end)

  it("refuses what makes no sense, in one line, with 2", function()
    for arguments, complaint in pairs{
      ["show"] = "show needs a RUN", ["lost x"] = "must be one of 'show', 'hosts', 'remove'",
      ["--all"] = "--all is for --prune", ["--prune soon"] = "'soon' is no time",
      ["show x --prune 1d"] = "--prune is of no use with show",
      ["--report x"] = "--report and --junit are for show", ["show x y --junit z"] = "are for show, and one RUN",
      ["hosts x --failed"] = "are of no use with hosts",
    } do
      local output, errors, status = run(arguments)
      assert.same({ "", 2 }, { output, status }, arguments)
      assert.truthy(errors:find(complaint, 1, true), errors)
      assert.truthy(errors:find "^harp runs: [^\n]+; see harp runs %-%-help\n$", errors)
    end
  end)

  it("are completed, with how many hosts they have", function()
    write("nginx-aaaaaa", "a b", "ok")
    age("nginx-aaaaaa", 7200)
    write("deploy-bbbbbb", "a", "ok")
    age("deploy-bbbbbb", 3 * 3600)
    harness.write(home .. "/harp/runs/bad-cccccc.jsonl", "junk")
    local function complete(words) return (shell(("%s complete -- %s 2>&1"):format(harness.program, words))) end
    assert.equal("show\t\nhosts\t\nremove\t\n", complete "runs ''")
    assert.equal("nginx-aaaaaa\t2 hosts, 2h ago\ndeploy-bbbbbb\t1 host, 3h ago\n", complete "runs show ''")
    assert.equal("nginx-aaaaaa\t2 hosts, 2h ago\n", complete "runs remove deploy-bbbbbb ng")
    assert.equal("a,@nginx-aaaaaa:failed\t2 hosts, 2h ago\n", complete "hosts a,@ng")
  end)
end)
