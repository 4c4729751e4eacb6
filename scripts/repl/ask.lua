--- Questions to dispatchers and daemons that a prompt asks on its own account,
-- for completion and help. They are quiet, and soon given up; their answers
-- are kept for a while.

local core = require "harp.core"
local introspection = require "harp.introspection"
local printable = require "harp.printable"
local tasks = require "harp.tasks"

local ask = {}

local PATIENCE = 1              -- seconds that a person waits
local LONGEST = 10              -- seconds that the answer may take to be of use for the next time
local FRESH, FAILED = 60, 5     -- seconds that an answer is kept, and none

local answers = {}              -- key → { answer, at, over = event while it is asked }

local function start(key, question)
  local entry = { over = core.event() }
  answers[key] = entry
  core.spawn(function()
    local ok, answer = pcall(tasks.timeout, LONGEST, question)
    entry.answer, entry.at = ok and answer or nil, core.now()
    entry.over:fire()
    entry.over = nil
  end)
  return entry
end

local function is_old(entry)
  return not entry.over and core.now() - entry.at > (entry.answer and FRESH or FAILED)
end

--- The answer to `question()`, or nil; asked again only when what is known by
-- that key is old. `patience` in seconds, default 1.
function ask.once(key, question, patience)
  local entry = answers[key]
  if not entry or is_old(entry) then entry = start(key, question) end
  if not entry.over then return entry.answer end
  local ok, failure = pcall(tasks.timeout, patience or PATIENCE, entry.over.wait, entry.over)
  if not ok and not core.is_error(failure, "TimeoutError") then error(failure, 0) end
  return entry.answer
end

--- The names of a caller's hosts.
function ask.hosts(caller)
  return ask.once("hosts " .. tostring(caller), function()
    local names = {}
    for host in getmetatable(caller).methods.hosts(caller) do
      if type(host.name) == "string" then names[#names + 1] = host.name end
    end
    return names
  end) or {}
end

-- The answer of a daemon, of which nothing is to reach a terminal as it is;
-- raises when it is not as it should be.
local function checked(list)
  local procedures = {}
  for i, procedure in ipairs(list) do
    local params, doc = {}, procedure.doc
    for at, name in ipairs(procedure.params) do params[at] = printable(name) end
    procedures[i] = {
      name = printable(procedure.name), params = params, vararg = procedure.vararg == true,
      stream = procedure.stream == true, doc = type(doc) == "string" and printable(doc) or nil,
    }
  end
  return procedures
end

--- What the daemon of a host tells of its procedures (protocol §4), nil when it
-- does not.
function ask.procedures(host, patience)
  return ask.once("procedures " .. tostring(host), function()
    local bare = getmetatable(host).bare(host){ timeout = LONGEST, max_exec_time = LONGEST, retry_for = 0 }
    return checked(bare[introspection.PROCEDURE]():get{ retry_for = 0 })
  end, patience)
end

--- The same of a daemon that is called directly.
function ask.server_procedures(server, patience)
  return ask.once("procedures " .. tostring(server), function()
    return checked(server[introspection.PROCEDURE]())
  end, patience)
end

--- "name(a, b, …)" of one of them.
function ask.signature(procedure)
  local words = table.move(procedure.params, 1, #procedure.params, 1, {})
  if procedure.vararg then words[#words + 1] = "…" end
  return ("%s(%s)"):format(procedure.name, table.concat(words, ", "))
end

return ask
