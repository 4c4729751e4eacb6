--- Real servers for the specs: on ports of the system's choice, in a private
-- directory, gone when the spec is.

local lfs = require "lfs"
local socket = require "socket"
local ssl = require "ssl"
local words = require "spec.support.words"

local harness = {}

local build = assert(os.getenv "HARP_BUILD", "HARP_BUILD is not set; run the specs by spec/support/check")
harness.program = build .. "/harp"

-- Not handed on to the program under test: a preloaded sanitizer is for lua5.4.
local clean = "unset LD_PRELOAD LUA_CPATH ASAN_OPTIONS\n"

function harness.quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

--- Begins a shell command; returns a function that waits for its end, and
-- returns its output and its exit status, 128 + N by a signal.
function harness.begin(command)
  local pipe = assert(io.popen(clean .. command))
  return function()
    local output = pipe:read "a"
    local _, how, number = pipe:close()
    return output, how == "signal" and 128 + number or number
  end
end

--- Runs a shell command; returns its output and its exit status.
function harness.shell(command) return harness.begin(command)() end

--- Runs harp with arguments as a shell has them; returns standard output,
-- standard error and the exit status.
function harness.harp(arguments, input)
  local errors = os.tmpname()
  local command = ("%s%s %s 2>%s"):format(
    input and "printf %s " .. harness.quote(input) .. " | " or "", harness.program, arguments, errors)
  local output, status = harness.shell(command)
  local text = harness.read(errors)
  os.remove(errors)
  return output, text, status
end

--- Stock lua5.4 that finds the module, as a shell has it behind `env`.
function harness.stock_lua()
  return ("LUA_CPATH='%s/?.so' LD_PRELOAD='%s' ASAN_OPTIONS=detect_leaks=0 lua5.4"):format(
    build, os.getenv "HARP_SANITIZER" or "")
end

--- A command that sleeps long, and is no other's; and whether it runs.
function harness.sleeper()
  local seconds = math.random(1000000, 9999999)
  return ("sleep %d"):format(seconds), function()
    local _, status = harness.shell(("pgrep -f 'sleep [%d]%s'"):format(seconds // 1000000, tostring(seconds):sub(2)))
    return status == 0
  end
end

function harness.read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

--- The names of what is in a directory, sorted.
function harness.files(path)
  local list = {}
  for name in lfs.dir(path) do
    if name ~= "." and name ~= ".." then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

function harness.write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  return path
end

--- A shell command that waits until a text, a basic regular expression, is in a file,
-- in so many lines (1) of it.
function harness.until_in(file, text, lines)
  return ("n=0; until [ $(grep -c %s %s) -ge %d ] || [ $n -gt %d ]; do sleep 0.02; n=$((n + 1)); done"):format(
    harness.quote(text), file, lines or 1, harness.PATIENCE * 50)
end

--- Runs a command of the shell, to which a signal goes each time that another
-- of the texts is in what it writes: that, standard error too, and its status.
function harness.signalled(signal, texts, command)
  local file = harness.write(harness.directory() .. "/output", "")
  -- (a shell's background processes ignore SIGINT, unless told otherwise)
  local lines = { ("env --default-signal=INT %s >%s 2>&1 & pid=$!"):format(command, file) }
  for _, text in ipairs(texts) do
    lines[#lines + 1] = harness.until_in(file, text)
    lines[#lines + 1] = "kill -" .. signal .. " $pid"
  end
  local _, status = harness.shell(table.concat(lines, "\n") .. "\nwait $pid")
  return harness.read(file), status
end

--- A private directory, removed by harness.clean_up.
local directories, servers = {}, {}

function harness.directory()
  local path = os.tmpname()
  os.remove(path)
  assert(lfs.mkdir(path))
  directories[#directories + 1] = path
  return path
end

--- Seconds in which whatever is to come has come, on the slowest of machines
-- too. A spec that shows what is not waited for makes that last longer.
harness.PATIENCE = 50

--- Tries until `condition()` holds; an error after harness.PATIENCE.
function harness.eventually(condition)
  local deadline, pause = socket.gettime() + harness.PATIENCE, 0.01
  while not condition() do
    if socket.gettime() > deadline then error("it never came true", 2) end
    socket.sleep(pause)
    pause = math.min(0.1, 1.5 * pause)
  end
end

--- The seconds that a call of `fn` takes.
function harness.seconds(fn, ...)
  local start = socket.gettime()
  fn(...)
  return socket.gettime() - start
end

--- Does `measure(...)` give less than `limit` in one of ten tries? Other work on
-- the machine makes things slow now and then, nothing makes them fast. Also
-- the least that it gave.
function harness.is_below(limit, measure, ...)
  local least = math.huge
  for _ = 1, 10 do
    least = math.min(least, measure(...))
    if least < limit then return true, least end
  end
  return false, least
end

--- The middle one of a list of numbers, which is sorted then.
function harness.median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

--- The median of the seconds that `count` calls of `fn` take.
function harness.median_seconds(count, fn, ...)
  local times = {}
  for i = 1, count do times[i] = harness.seconds(fn, ...) end
  return harness.median(times)
end

--- Waits until a plain text is in what `look()` returns, and returns that; an
-- error with it when it does not come. `where`: "on the screen".
function harness.sees(look, text, where)
  local seen
  local ok = pcall(harness.eventually, function()
    seen = look()
    return seen:find(text, 1, true)
  end)
  if not ok then error(("%q is not %s:\n%s"):format(text, where, seen), 3) end
  return seen
end

--- What a function raises, which it must.
function harness.raised(fn, ...)
  local ok, failure = pcall(fn, ...)
  if ok then error("nothing was raised", 2) end
  return failure
end

-- ---- processes ----

local Server = {}
Server.__index = Server

-- Runs server.line, after the shell commands server.before, as a process of
-- its own that says where it listens.
local function launch(server)
  local log = server.directory .. "/" .. server.command .. ".log"
  -- (the listing of its descriptors takes one)
  local pipe = assert(io.popen(("%s echo $$; set -- /proc/$$/fd/*; echo $(($# - 1)); %s exec %s 2>>%s"):format(
    clean, server.before or "", server.line, log)))
  local pid, inherited = pipe:read("l", "n", "l")
  local address = (pipe:read "l" or ""):match "^listening on (.+)$"
  if not address then
    pipe:close()
    error(server.command .. " did not start: " .. harness.read(log), 3)
  end
  server.pid, server.inherited, server.pipe, server.log = pid, inherited, pipe, log
  server.address, server.port = address, math.tointeger(address:match ":(%d+)$")
  servers[server] = true
  return server
end

-- `line`: the command line; `before`: shell commands for the process that
-- becomes the server.
local function start(command, line, directory, before, class)
  return launch(setmetatable({
    command = command, line = line, directory = directory, before = before,
  }, class or Server))
end

local function start_harp(command, config, directory, before)
  return start(command, ("%s %s --config %s"):format(harness.program, command, config), directory, before)
end

--- Runs a command line as a server: its first line of output is "listening on
-- ADDRESS", and it serves until it is stopped.
function harness.serve(name, line) return start(name, line, harness.directory()) end

-- A script of this folder as a server.
local function start_script(name, directory, options, class)
  return start(name, ("lua5.4 spec/support/%s.lua %s"):format(name, words.format(options)), directory, nil, class)
end

--- Sends a signal (default TERM; "0" none) and waits for the end: the exit
-- status, or nil and the signal.
function Server:stop(signal)
  if not self.pipe then return end
  os.execute(("kill -%s %s"):format(signal or "TERM", self.pid))
  local _, how, status = self.pipe:close()
  self.pipe = nil
  servers[self] = nil
  if how == "exit" and status < 128 then return status end
  return nil, status
end

--- Starts it again with the same configuration (and so the same files).
function Server:restart() launch(self) end

--- Starts spec/support/NAME.lua, a peer that stands in for another; what its
-- settings are is said there. Strings, numbers and tables of them.
function harness.peer(name, settings)
  local function write(v)
    if type(v) ~= "table" then return ("%q"):format(v) end
    local text = {}
    for key, field in pairs(v) do text[#text + 1] = ("[%q]=%s"):format(key, write(field)) end
    return "{" .. table.concat(text, ",") .. "}"
  end
  local directory = harness.directory()
  local file = harness.write(directory .. "/settings.lua", "return " .. write(settings))
  return start(name, ("lua5.4 spec/support/%s.lua %s"):format(name, file), directory)
end

--- The same address after a restart, for who is to find it again.
function Server:keep_address()
  local config = ("%s/%s.lua"):format(self.directory, self.command)
  harness.write(config, (harness.read(config):gsub("127%.0%.0%.1:0", self.address)))
  return self
end

--- Waits until a plain text is in its log, and returns that.
function Server:expect(text)
  return harness.sees(function() return harness.read(self.log) end, text, "in its log")
end

--- Sends SIGTERM, and waits until it was heard; it ends when its work has.
function Server:tell_to_stop()
  os.execute("kill -TERM " .. self.pid)
  self:expect " stopping\n"
end

function Server:is_alive()
  return os.execute("kill -0 " .. self.pid .. " 2>/dev/null") == true
end

--- How many it opened itself: what this process had open when it started
-- (sockets, not collected yet) was handed on to it.
function Server:descriptors()
  return #harness.files(("/proc/%s/fd"):format(self.pid)) - self.inherited
end

--- Child processes, zombies included.
function Server:children()
  return select(2, harness.read(("/proc/%s/task/%s/children"):format(self.pid, self.pid)):gsub("%d+", ""))
end

--- Kills all of them but one, and leaves their files.
function harness.stop_all(but)
  for server in pairs(servers) do
    if server ~= but then server:stop "KILL" end
  end
end

function harness.clean_up()
  harness.stop_all()
  os.execute("rm -rf " .. table.concat(directories, " "))
  directories = {}
end

-- ---- a daemon and a dispatcher ----

--- A certificate for localhost, by openssl; returns the files and the pin.
function harness.certificate(directory)
  local certificate, key = directory .. "/cert.pem", directory .. "/key.pem"
  local _, status = harness.shell(([[
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
      -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout %s -out %s 2>/dev/null]]):format(key, certificate))
  assert(status == 0, "openssl cannot make a certificate")
  local pin = harness.shell(([[
    openssl x509 -in %s -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary \
      | openssl base64 -A]]):format(certificate))
  return certificate, key, "sha256//" .. pin
end

local PROCEDURES = [[
procedure("sum", function(a, b) return a + b end)
procedure("echo", function(...) return ... end)
procedure("all", function(...) return require "harp".array{...} end)
procedure("text", function(size) return ("x"):rep(size) end)
procedure("sleep", function(seconds) require "harp".sleep(seconds) return "slept" end)
procedure("mark", function(file, text)
  local f = assert(io.open(file, "a")) f:write(text, "\n") f:close() return text
end)
procedure("boom", function(message) error(message) end)
procedure("fail", function() error{ type = "paper", message = "out of paper", data = { tray = 2 } } end)
procedure("bad", function() return print end)
procedure("shell", function(command) os.execute(command) end)
stream("count", function(n, seconds)
  for i = 1, n do
    coroutine.yield{ i = i }
    if seconds then require "harp".sleep(seconds) end
  end
  return { msg = "end" }
end)
stream("each", function(...) for _, v in ipairs{...} do coroutine.yield(v) end end)
stream("late", function(seconds) require "harp".sleep(seconds) coroutine.yield(1) return 2 end)
stream("quiet", function() coroutine.yield(1) end)
]]

--- options: procedures (Lua text), settings (more lines of configuration),
-- before (shell commands for its process).
function harness.daemon(options)
  options = options or {}
  local directory = harness.directory()
  local certificate, key, pin = harness.certificate(directory)
  local procedures = harness.write(directory .. "/procedures.lua", options.procedures or PROCEDURES)
  local config = harness.write(directory .. "/daemon.lua", ([[
    listen = "127.0.0.1:0"
    certificate = %q
    key = %q
    procedures = { %q }
    users = { tester = "secret" }
    auth_delay = 0
    %s]]):format(certificate, key, procedures, options.settings or ""))
  local daemon = start_harp("daemon", config, directory, options.before)
  daemon.pin, daemon.certificate, daemon.key = pin, certificate, key
  return daemon
end

--- How a dispatcher reaches a daemon, as an entry of `hosts`.
function harness.host_entry(daemon)
  return ("{ address = '127.0.0.1', port = %d, user = 'tester', password = 'secret', pin = %q }"):format(
    daemon.port, daemon.pin)
end

local SOME_PIN = "sha256//" .. ("A"):rep(43) .. "="

--- options: daemon, settings, before (shell commands for its process),
-- directory, hosts (n). Its daemon is known as localhost, web01 and web02, and as
-- web001 to the nth.
function harness.dispatcher(options)
  local directory = options.directory or harness.directory()
  local hosts = {}
  for i = 1, options.hosts or 0 do
    hosts[i] = ("web%03d = %s"):format(i, harness.host_entry(options.daemon))
  end
  for _, name in ipairs{ "localhost", "web01", "web02" } do
    hosts[#hosts + 1] = name .. " = " .. harness.host_entry(options.daemon)
  end
  for name, address in pairs{ refused = "127.0.0.1:1", nowhere = "nowhere.invalid" } do
    hosts[#hosts + 1] = ("%s = { address = %q, user = 'x', password = 'x', pin = %q }"):format(
      name, address, SOME_PIN)
  end
  local config = harness.write(directory .. "/dispatcher.lua", ([[
    listen = %q
    database = %q
    hosts = { %s }
    %s]]):format(options.listen or "127.0.0.1:0", directory .. "/dispatcher.db", table.concat(hosts, ",\n"),
    options.settings or ""))
  return start_harp("dispatcher", config, directory, options.before)
end

-- ---- stock look-alikes, and a network that does harm ----

--- A dispatcher as stock ones are, its jobs simulated; options: those of
-- stock.lua. Restarted, it listens on the same port.
function harness.stock(options)
  local directory = harness.directory()
  local all = { journal = directory .. "/journal" }
  for name, v in pairs(options or {}) do all[name] = v end
  local stock = start_script("stock", directory, all)
  stock.line = ("%s port=%d"):format(stock.line, stock.port)
  return stock
end

--- A daemon as stock ones are: TLS 1.0, one call after the other.
function harness.stock_daemon()
  local directory = harness.directory()
  local certificate, key, pin = harness.certificate(directory)
  local daemon = start_script("stock_daemon", directory, { certificate = certificate, key = key })
  daemon.pin, daemon.certificate = pin, certificate
  return daemon
end

local Proxy = setmetatable({}, { __index = Server })
Proxy.__index = Proxy

--- A proxy in front of a server; its methods are described in spec/README.md.
function harness.proxy(server)
  local proxy = start_script("proxy", harness.directory(), { port = server.port }, Proxy)
  local port = proxy.pipe:read "l":match "^told on 127%.0%.0%.1:(%d+)$"
  proxy.control = assert(socket.connect("127.0.0.1", port))
  proxy.control:setoption("tcp-nodelay", true)
  proxy.control:settimeout(harness.PATIENCE)
  return proxy
end

-- Returns when the proxy does as it was told: the rest of its answer.
local function tell(proxy, command, options)
  assert(proxy.control:send(("%s %s\n"):format(command, words.format(options or {}))))
  local how, rest = assert(proxy.control:receive "*l"):match "^(%S+) (.*)$"
  if how ~= "ok" then error(rest, 3) end
  return rest
end

for _, name in ipairs{ "cut", "swallow", "stall", "corrupt", "delay", "split", "idle", "pass", "refuse", "listen",
  "cut_all" } do
  Proxy[name] = function(proxy, options) tell(proxy, name, options) end
end

--- The server that new connections go to.
function Proxy:aim(server) tell(self, "aim", { port = server.port }) end

--- { made, open, from_client, from_server }: connections, and bytes passed.
function Proxy:count() return words.parse(tell(self, "count")) end

-- ---- raw lines ----

--- Opens a connection; lines are read with `lines(connection)`.
function harness.connect(server)
  local connection = assert(socket.connect("127.0.0.1", server.port))
  connection:settimeout(harness.PATIENCE)
  return connection
end

--- The same over TLS, to a daemon.
function harness.connect_tls(server, parameters)
  local connection = assert(ssl.wrap(harness.connect(server), parameters or {
    mode = "client", protocol = "any", verify = "none", options = "all",
  }))
  connection:settimeout(harness.PATIENCE)
  assert(connection:dohandshake())
  return connection
end

--- Everything until the peer closes, as a list of lines; and whether it closed.
function harness.lines(connection)
  local list = {}
  while true do
    local line, reason, partial = connection:receive "*l"
    if not line then
      if partial and partial ~= "" then list[#list + 1] = partial end
      return list, reason == "closed", reason
    end
    list[#list + 1] = line
  end
end

--- Has the peer of this connection neither answered yet nor closed it?
function harness.is_waiting(connection)
  connection:settimeout(0)
  local _, reason = connection:receive(1)
  connection:settimeout(harness.PATIENCE)
  return reason == "timeout"
end

--- Sends text on a new connection and returns all lines of the answer.
function harness.ask(server, text)
  local connection = harness.connect(server)
  assert(connection:send(text))
  local lines, closed, reason = harness.lines(connection)
  connection:close()
  return lines, closed, reason
end

function harness.ask_tls(server, text)
  local connection = harness.connect_tls(server)
  assert(connection:send(text))
  local lines, closed, reason = harness.lines(connection)
  connection:close()
  return lines, closed, reason
end

return harness
