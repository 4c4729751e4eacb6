--- harp.exec: a command, run without a shell, and its lines as they come.
--
--     for line in harp.exec{ "df", "-P", path } do … end    -- leaving the loop ends the command
--     local lines = harp.exec{ "ls", "-A", cwd = "/etc" }:all()
--     local result = harp.exec{ "systemctl", "restart", name }:result()
--     if result.status ~= 0 then error(result.stderr) end
--
-- The words are the command's arguments as they are: strings, or numbers. The
-- first one is looked for in PATH, or is a path. The command has nothing of
-- the script's but its process group, so that Ctrl-C reaches it too, and its
-- environment.
--
--     cwd       the directory that it runs in (default: the script's)
--     env       { NAME = "value" } on top of the script's environment; false takes NAME away
--     stdin     a string that it can read (default: nothing)
--     timeout   seconds that it may run, however slowly its lines are taken (default: no end)
--     stderr    "result": the last 64 KiB are in the result (default); "merge": among the lines;
--               "log": the script's own, which in a daemon is its log
--     parse     "json": each line is decoded
--
-- A line is what is before LF or CRLF, or behind the last one; its bytes are
-- not looked at. While no lines are taken, the command is held up by its full
-- pipe. Ending a command is SIGTERM, and SIGKILL after 2 s.
--
-- Errors: a CommandError when it cannot be started (type "enoent", "eacces", …),
-- has a line longer than 1 MiB ("line_too_long"), or one that is not JSON
-- ("parse_error"); a TimeoutError. What it exits with is a result, not an error.

local core = require "harp.core"

local Run = { __name = "harp.exec" }
Run.__index = Run

-- ---- lines ----

local function failure(kind, type, format, ...)
  return core.error{ kind = kind, type = type, message = format:format(...) }
end

local function raise_trouble(self, trouble)
  if trouble == "timeout" then
    error(failure("TimeoutError", trouble, "%s ran longer than its timeout of %g s", self.name, self.timeout), 0)
  end
  error(failure("CommandError", trouble, "%s: line %d is longer than 1 MiB", self.name, self.taken + 1), 0)
end

local PARSERS = {}

function PARSERS.json(self, line)
  local ok, v = pcall(core.decode, line)
  if ok then return v end
  error(failure("CommandError", "parse_error", "%s: line %d is not JSON: %s", self.name, self.taken, v.message), 0)
end

--- The next line, nil when the command has ended.
function Run:__call()
  local line, trouble = self.command:take()
  if trouble then raise_trouble(self, trouble) end
  if line == nil then return nil end
  self.taken = self.taken + 1
  if self.parse then return self:parse(line) end
  return line
end

--- The lines that are left, as a list.
function Run:all()
  local list = {}
  local _ <close> = self
  for line in self do list[#list + 1] = line end
  return list
end

-- ---- the end ----

--- Waits for the end: { status = 0…255, or signal = "TERM"…, stderr = text }.
-- Lines that were not taken are lost.
function Run:result()
  local status, signal, errors, trouble = self.command:wait()
  if trouble then raise_trouble(self, trouble) end
  return { status = status, signal = signal, stderr = errors }
end

--- Sends a signal: "HUP", "SIGHUP", or its number (default "TERM"). False when
-- the command is gone already.
function Run:kill(signal)
  return self.command:kill(signal)
end

--- Ends the command. Does not wait for it; `result` can.
function Run:close()
  self.command:close()
end

Run.__close = Run.close

-- ---- the start ----

local function check(condition, format, ...)
  if not condition then error("harp.exec: " .. format:format(...), 4) end
end

local function is_text(v)
  return type(v) == "string" and not v:find("\0", 1, true)
end

local STDERR = { result = true, merge = true, log = true }

-- What an option must be, and whether it is.
local OPTIONS = {
  cwd = { "a string without NUL", is_text },
  env = { "a table", function(v) return type(v) == "table" end },
  stdin = { "a string", function(v) return type(v) == "string" end },
  timeout = { "seconds above 0, at most 1e9", function(v) return type(v) == "number" and v > 0 and v <= 1e9 end },
  stderr = { '"result", "merge" or "log"', function(v) return STDERR[v] ~= nil end },
  parse = { '"json"', function(v) return PARSERS[v] ~= nil end },
}

local function check_options(options)
  check(type(options) == "table", "takes a table: the command's words, and options")
  for name, v in pairs(options) do
    if math.type(name) ~= "integer" then
      local option = OPTIONS[name]
      check(option, "there is no option %q", tostring(name))
      check(option[2](v), "%s must be %s", name, option[1])
    end
  end
end

local function words_of(options)
  local words = {}
  for i, word in ipairs(options) do
    if type(word) == "number" then word = tostring(word) end
    check(is_text(word), "word %d must be a string without NUL, or a number", i)
    words[i] = word
  end
  check(words[1] and words[1] ~= "", "there is no command")
  for key in pairs(options) do
    check(math.type(key) ~= "integer" or words[key], "word %d is missing", #words + 1)
  end
  return words
end

-- "NAME=value" for each, ours and the given ones.
local function environment(changes)
  local all, list = core.environment(), {}
  for name, v in pairs(changes) do
    check(is_text(name) and name ~= "" and not name:find "=", "env: %q is no name of a variable", tostring(name))
    check(v == false or is_text(v), "env: %s must be a string without NUL, or false", name)
    all[name] = v or nil
  end
  for name, v in pairs(all) do list[#list + 1] = name .. "=" .. v end
  return list
end

--- Starts a command. Returns an iterator with the methods above, and what a
-- `for` needs to close it.
return function(options)
  check_options(options)
  local words = words_of(options)
  local command = core.exec(words, {
    cwd = options.cwd, stdin = options.stdin, timeout = options.timeout, stderr = options.stderr,
    env = options.env and environment(options.env),
  })
  local run = setmetatable({
    command = command, name = words[1], timeout = options.timeout, parse = PARSERS[options.parse], taken = 0,
  }, Run)
  return run, nil, nil, run
end
