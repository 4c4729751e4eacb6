-- harp attach: runs that are seen from outside, by their journals and by the
-- jobs that they left; the process that runs them is this one.

local harness = require "spec.support.harness"
local harp = require "harp"
local journal = require "harp.batch.journal"
local screen = require "spec.support.screen"

local recipe = require "spec.support.recipe"

local eventually = harness.eventually

-- Streams here end when they are told to.
local PROCEDURES = recipe.PROCEDURES .. [[
stream("count", function(n, path)
  for i = 1, n do
    coroutine.yield{ i = i }
    if path and i == n - 1 then until_there(path) end
  end
  return { msg = "end" }
end)
]]

describe("harp attach", function()
  local daemon, dispatcher, rpc, directory, writer

  setup(function()
    directory = harness.directory()
    daemon = harness.daemon{ procedures = PROCEDURES:format(directory) }
    dispatcher = harness.dispatcher{ daemon = daemon }
    rpc = harp.caller(dispatcher.address)
  end)

  teardown(function()
    screen.close_all()
    harness.clean_up()
  end)

  after_each(function()
    if writer then writer:close() end
    writer = nil
  end)

  -- ---- a run of ours ----

  local NAMES = { "localhost", "web01", "web02" }

  local function begin(name)
    local id = journal.new_id(name)
    writer = journal.open(id)
    writer:add{
      event = "run", run = id, name = name, session = id, hosts = harp.array(NAMES), waves = harp.array{ 3 },
      caller = dispatcher.address,
    }
    writer:add{ event = "wave", wave = 1 }
    return id
  end

  local function leave()
    writer:close()
    writer = nil
  end

  -- Submits a call of a host as a batch does.
  local function submit(id, name, procedure, ...)
    local host = rpc:host(name, { info = { batch = { run = id, host = name, attempt = 1, hosts = #NAMES } } })
    return host:procedure(procedure)(...)
  end

  local function start(id, name, procedure, ...)
    writer:add{ event = "start", host = name, attempt = 1 }
    writer:add{ event = "call", host = name, key = "1 " .. procedure, procedure = procedure }
    local job = submit(id, name, procedure, ...)
    writer:add{ event = "job", host = name, key = "1 " .. procedure, job = job:id() }
    return job
  end

  local function ends(name, outcome, fields)
    local event = { event = "end", host = name, outcome = outcome, attempts = 1 }
    for key, v in pairs(fields or {}) do event[key] = v end
    writer:add(event)
  end

  -- ---- somebody who looks ----

  local Looker = {}
  Looker.__index = Looker

  -- Runs `harp attach` with arguments beside us.
  local function look(arguments, environment)
    local file = os.tmpname()
    os.execute(("{ env %s %s attach %s; echo status $?; } >%s 2>&1 &"):format(
      environment or "", harness.program, arguments, file))
    return setmetatable({ file = file }, Looker)
  end

  function Looker:text() return (harness.read(self.file):gsub("%f[%d]%d+%-%d%d%-%d%d %d%d:%d%d:%d%d ", "")) end

  function Looker:expect(text)
    return harness.sees(function() return self:text() end, text, "in what it said")
  end

  -- What it said, and its exit status, both as texts.
  function Looker:finish()
    self:expect "status "
    eventually(function() return self:text():find "status %d+\n" end)
    local text = self:text()
    os.remove(self.file)
    return text:match "^(.*)status (%d+)\n$"
  end

  -- ---- what it shows ----

  it("shows a run from where it is, with the packets of its jobs, until its end", function()
    local id = begin "live"
    ends("localhost", "ok", { value = "before" })
    local go = directory .. "/live"
    local job = start(id, "web01", "count", 6, go)
    local it_is = look(id)
    it_is:expect(("run %s, 3 hosts: 1 ended, 1 running, 1 left\n"):format(id))
    it_is:expect 'web01 | {"i": 5}\n'
    harness.write(go, "")
    it_is:expect 'web01 | {"i": 6}\n'
    job:get()
    ends("web01", "ok", { value = job:result(), job = job:id(), packets = harp.array{ 1 }, count = 6 })
    it_is:expect 'web01: ok in '
    writer:add{ event = "start", host = "web02", attempt = 1 }
    ends("web02", "exception", { type = "paper", message = "out of paper", packets = harp.array{ "late" }, count = 1 })
    it_is:expect "web02 | late\nweb02: exception: paper: out of paper; after "
    writer:add{ event = "finish" }
    leave()
    local text, status = it_is:finish()
    assert.equal("3", status)
    assert.falsy(text:find "before\n.*web01: ok")
    assert.equal(1, select(2, text:gsub('web01 | {"i": 6}\n', "")))
    assert.truthy(text:find(("\n%s: 2 ok, 1 exception of 3 hosts in "):format(id), 1, true), text)
  end)

  it("ends when the process is gone", function()
    local id = begin "gone"
    local it_is = look "gone"
    it_is:expect(("run %s, 3 hosts: 0 ended, 0 running, 3 left\n"):format(id))
    leave()
    local text, status = it_is:finish()
    assert.equal("1", status)
    assert.truthy(text:find(("harp run --resume %s"):format(id), 1, true), text)
  end)

  it("shows the jobs of a run that nobody runs, until they have ended, and notes nothing", function()
    local id = begin "left"
    ends("localhost", "ok")
    local go = directory .. "/left"
    local job = start(id, "web01", "count", 10, go)
    writer:add{ event = "detach" }
    leave()
    local before = harness.read(journal.path(id))
    local it_is = look(id)
    it_is:expect 'web01 | {"i": 9}\n'
    harness.write(go, "")
    local text, status = it_is:finish()
    assert.equal("1", status)
    assert.truthy(text:find('web01 | {"i": 10}\nweb01: ok in [%d.]+s: {"msg": "end"}\n'), text)
    assert.truthy(text:find(("harp attach: nobody runs %s\n"):format(id), 1, true), text)
    assert.truthy(text:find(("%s: 2 ok, 1 not begun of 3 hosts"):format(id), 1, true), text)
    assert.truthy(text:find(("harp run --resume %s"):format(id), 1, true), text)
    assert.equal(before, harness.read(journal.path(id)))
    assert.same({ msg = "end" }, job:result())
  end)

  it("sums up a run that is over; --all and --json have all of it", function()
    local id = begin "over"
    for _, name in ipairs(NAMES) do
      writer:add{ event = "start", host = name, attempt = 1 }
      ends(name, "ok", { value = "same", packets = harp.array{ "p" }, count = 5, job = "j" })
    end
    writer:add{ event = "wave_end", wave = 1 }
    writer:add{ event = "finish" }
    leave()
    local text, status = look(id):finish()
    assert.equal("0", status)
    assert.truthy(text:find("^" .. id:gsub("%-", "%%-") .. ": 3 ok of 3 hosts in "), text)
    assert.truthy(text:find("3 hosts: all the same", 1, true))
    text = look("--all " .. id):finish()
    assert.truthy(text:find(("^run %s: 3 hosts\nlocalhost | p\nlocalhost: ok in "):format(id:gsub("%-", "%%-"))), text)
    text = look("--all --json " .. id):finish()
    local kinds = {}
    for line in text:gmatch "[^\n]+" do
      local event = harp.decode(line)
      kinds[#kinds + 1] = event.event
      if event.event == "packet" then assert.equal(4, event.number) end
    end
    assert.same({
      "run", "wave", "start", "packet", "end", "start", "packet", "end", "start", "packet", "end", "wave_end", "finish",
    }, kinds)
    assert.equal("", (look("--json " .. id):finish()))
  end)

  it("leaves by Ctrl-C, and the jobs go on", function()
    local id = begin "interrupted"
    local job = start(id, "web01", "sleep", 1)
    local it_is = screen.open(("sh -c 'trap : INT; XDG_STATE_HOME=%s %s attach %s; echo status $?; sleep 100'"):format(
      os.getenv "XDG_STATE_HOME", harness.program, id), { env = "NO_COLOR=1 LC_ALL=C.UTF-8" })
    it_is:expect "1 running"
    it_is:press "C-c"
    assert.equal("status 130", it_is:expect "status 130":gsub("%s", " "):match "status.*")
    assert.falsy(it_is:text():find "running")
    assert.equal("slept", job:get())
    it_is:close()
  end)

  it("shows how far it is, on a terminal", function()
    local id = begin "seen"
    ends("localhost", "ok")
    start(id, "web01", "count", 2)
    local it_is = screen.open(("sh -c 'XDG_STATE_HOME=%s %s attach %s; sleep 100'"):format(
      os.getenv "XDG_STATE_HOME", harness.program, id), { env = "NO_COLOR=1 LC_ALL=C.UTF-8" })
    it_is:expect 'web01:     {"i": 2}\n█'
    it_is:expect "33%  1 done, 0 failed, 1 running, 1 left"
    ends("web01", "ok", { value = "value" })
    it_is:expect "web01:     => value"
    it_is:expect "66%  2 done"
    writer:add{ event = "finish" }
    leave()
    it_is:expect(id .. ": 2 ok, 1 not reached of 3 hosts in ")
    it_is:close()
  end)

  it("asks the dispatcher for a run of another machine", function()
    local id, elsewhere = "elsewhere-abcdef", "XDG_STATE_HOME=" .. directory .. "/none"
    local options = ("--caller %s %s"):format(dispatcher.address, id)
    submit(id, "localhost", "echo", "before"):get()
    submit("elsewhere-other1", "web02", "echo", "not ours"):get()
    local go = directory .. "/elsewhere"
    submit(id, "web01", "count", 20, go)
    local it_is = look(options, elsewhere)
    it_is:expect(("run %s, 3 hosts: 1 ended, 1 running, 1 left\n"):format(id))
    it_is:expect "web01 | "
    submit(id, "web02", "fail")
    it_is:expect "web02: exception: paper: out of paper [job "
    harness.write(go, "")
    local text, status = it_is:finish()
    assert.equal("3", status)
    assert.truthy(text:find('web01 | {"i": 20}\n', 1, true), text)
    assert.truthy(text:find(("\n%s: 2 ok, 1 exception of 3 hosts in "):format(id), 1, true), text)
    assert.truthy(text:find("localhost\n    before\n", 1, true), text)
    assert.falsy(text:find("not ours", 1, true))
    assert.falsy(text:find("--resume", 1, true))
  end)

  it("says when there is no such run", function()
    local elsewhere = "XDG_STATE_HOME=" .. directory .. "/none"
    local missing = "harp attach: no_run: there is no run nothing; `harp runs` lists them\n"
    for _, address in ipairs{ dispatcher.address, harness.stock{}.address } do
      local text, status = look(("--caller %s nothing"):format(address), elsewhere):finish()
      assert.equal(missing, text)
      assert.equal("2", status)
    end
    local text, status = look("nothing", elsewhere .. " HARP_CALLER=127.0.0.1:1"):finish()
    assert.equal(missing, text)
    assert.equal("2", status)
    text, status = look("--caller 127.0.0.1:1 nothing", elsewhere):finish()
    assert.truthy(text:find("econnrefused", 1, true))
    assert.equal("6", status)
  end)
end)
