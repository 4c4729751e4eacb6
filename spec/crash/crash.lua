-- What the dispatcher told of is there after it died, at whatever point. Run
-- by `make crash`, which sets HARP_BUILD and, if they are given, CRASHES (the
-- rounds, default 500), CRASH_SEED and CRASH_ROUND (one round alone).
--
-- In a round clients submit and follow jobs, each of which adds a line to a
-- file when it runs, and something fails: the dispatcher is killed, at a time
-- or at a write of its database, or its disk fails for a while, or the daemon
-- is killed. Then it starts again, and all that clients saw is compared with
-- what it has. Ends with "N passed, M failed".

local harness = require "spec.support.harness"
local harp = require "harp"
local socket = require "socket"
local clients = require "spec.crash.clients"
local check = require "spec.crash.check"

local ROUNDS = math.tointeger(tonumber(os.getenv "CRASHES" or 500))
local SEED = math.tointeger(tonumber(os.getenv "CRASH_SEED" or os.time()))
local ONLY = math.tointeger(tonumber(os.getenv "CRASH_ROUND" or 0))
local WRITES = 300              -- of a round, or some less; 50 of them make the database
local ENOSPC, EIO = 28, 5

local FAULT = assert(os.getenv "HARP_BUILD") .. "/fault.so"
local random = math.random

-- ---- the servers ----

local PROCEDURES = ([[
local function note(tag)
  local file <close> = assert(io.open("%s", "a"))
  file:write(tag, "\n")
end
procedure("mark", function(tag) note(tag) return tag end)
stream("count", function(tag, n, size, pause)
  note(tag)
  for i = 1, n do
    coroutine.yield{ i, ("x"):rep(size) }
    require "harp".sleep(pause)
  end
  return n
end)
procedure("sleep", function(tag, seconds) note(tag) require "harp".sleep(seconds) return tag end)
]])

-- Dispatchers know its port, after a restart too.
local function start_daemon(runs)
  return harness.daemon{ procedures = PROCEDURES:format(runs), settings = "max_children = 1000" }:keep_address()
end

local function start_dispatcher(round, fault, settings)
  local ok, server = pcall(harness.dispatcher, {
    daemon = round.daemon, settings = "timeout = 5\nmax_exec_time = 5\n" .. (settings or ""),
    directory = round.directory,
    before = fault and ("export LD_PRELOAD=%s HARP_FAULT=\"%s\";"):format(FAULT, fault),
  })
  if ok then return server end
  -- It died as it started, without a word; or could not read, and said so.
  if not fault or (server:find "warning" and not fault:find "^read") then error(server, 0) end
end

-- ---- what goes wrong ----

local function kill_at_write(round)
  local how = ({ "before", "half", "after" })[random(3)]
  return { name = ("killed %s write %d"):format(how, round.write), fault = ("kill %d %s"):format(round.write, how),
    seconds = 0.5 }
end

-- With so much that the log of the database is written back to it.
local function kill_at_checkpoint(round)
  local write = random(1500, 4500)
  round.size = 150000
  return { name = ("killed writing much %d"):format(write), fault = ("kill %d half"):format(write), seconds = 1 }
end

-- When all is done, jobs are removed.
local function kill_at_pruning(round)
  local how = ({ "before", "half", "after" })[random(3)]
  round.pruned = true
  return { name = "killed while pruning", seconds = 0.3, then_fault = ("kill %d %s"):format(random(60), how) }
end

local function kill_at_random()
  return { name = "killed at random", seconds = random() * 0.15 }
end

local function fill_disk(round)
  local number = random(2) == 1 and ENOSPC or EIO
  local at, milliseconds = 1 + random(round.write), random(5, 100)
  return { lenient = true,
    name = ("the disk failing, errno %d from write %d, for %d ms"):format(number, at, milliseconds),
    fault = ("fail %d %d %d"):format(at + 50, milliseconds, number), seconds = 0.3 }
end

local function fail_reads(round)
  local at, milliseconds = 10 + random(round.write), random(5, 50)
  return { lenient = true,
    name = ("the disk failing, errno %d from read %d, for %d ms"):format(EIO, at, milliseconds),
    fault = ("read %d %d %d"):format(at, milliseconds, EIO), seconds = 0.3 }
end

local function kill_daemon()
  return { name = "the daemon killed", daemon = random() * 0.1, lenient = true, seconds = 0.3 }
end

local WAYS = { kill_at_write, kill_at_write, kill_at_random, kill_at_write, fill_disk, kill_at_write,
  kill_at_write, kill_at_pruning, kill_at_write, kill_at_write, kill_at_random, kill_at_write, kill_at_write,
  kill_daemon, kill_at_write, fail_reads, kill_at_write, kill_at_checkpoint }

-- Which of the writes is next, from one of those rounds to the other.
local function turn_of(number)
  local turn = 0
  for i = 1, number do
    if WAYS[1 + i % #WAYS] == kill_at_write then turn = turn + 1 end
  end
  return 1 + turn * 7 % WRITES
end

-- ---- a round ----

local function meet(round, way)
  local server = start_dispatcher(round, way.fault)
  if not server then return end
  clients.run(round, server, way.seconds, way.daemon and {
    at = way.daemon,
    act = function()
      round.daemon:stop "KILL"
      -- Another program may have its port for a moment.
      harness.eventually(function() return pcall(round.daemon.restart, round.daemon) end)
    end,
  })
  if way.lenient then
    check.alive(server)
    check.all(round, server)
  end
  if way.then_fault then check.all(round, server) end
  server:stop "KILL"
  if way.then_fault then
    server = start_dispatcher(round, way.then_fault, "keep_for = 0.01")
    if server then
      socket.sleep(0.1)
      server:stop "KILL"
    end
  end
end

local function play(number, daemon, runs)
  math.randomseed(SEED, number)
  local round = { number = number, daemon = daemon, runs = runs, directory = harness.directory(),
    write = turn_of(number), seen = clients.nothing() }
  local way = WAYS[1 + number % #WAYS](round)
  round.lenient = way.lenient
  harness.write(runs, "")
  local ok, failure = pcall(function()
    meet(round, way)
    local server = start_dispatcher(round)
    clients.again(round, server)
    check.all(round, server)
    server:stop "KILL"
  end)
  if not ok then
    print(("FAIL round %d, %s: %s\n     CRASH_SEED=%d CRASH_ROUND=%d make crash; its files are in %s"):format(number,
      way.name, tostring(failure), SEED, number, round.directory))
  else
    os.execute("rm -rf " .. round.directory)
  end
  return ok, way.name:match "^%a+ ?%a* ?%a*"
end

-- Without the library, or with one that is not asked, no round would prove
-- anything: making the database takes writes, and they are counted.
local function check_library(daemon)
  local count = harness.directory() .. "/count"
  local server = harness.dispatcher{
    daemon = daemon, before = ("export LD_PRELOAD=%s HARP_FAULT_COUNT=%s;"):format(FAULT, count),
  }
  assert(string.unpack("=I8", harness.read(count)) > 10, FAULT .. " sees no write")
  server:stop "KILL"
end

local function report(from, kinds, passed, failed)
  local names = {}
  for name, count in pairs(kinds) do names[#names + 1] = ("%d %s"):format(count, name) end
  table.sort(names)
  print(("%.0f s: %s"):format(socket.gettime() - from, table.concat(names, ", ")))
  print(clients.summary())
  print(("%d passed, %d failed"):format(passed, failed))
end

local function main()
  print(("seed %d"):format(SEED))
  local from = socket.gettime()
  local runs = harness.directory() .. "/runs"
  local daemon = start_daemon(runs)
  check_library(daemon)
  local passed, failed, kinds = 0, 0, {}
  for number = ONLY > 0 and ONLY or 1, ONLY > 0 and ONLY or ROUNDS do
    local ok, kind = play(number, daemon, runs)
    if ok then passed = passed + 1 else failed = failed + 1 end
    harness.stop_all(daemon)
    kinds[kind] = (kinds[kind] or 0) + 1
  end
  report(from, kinds, passed, failed)
  if failed == 0 then harness.clean_up() else harness.stop_all() end
  os.exit(failed == 0, true)
end

harp.spawn(main):join()
