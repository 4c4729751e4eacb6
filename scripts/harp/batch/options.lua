--- What a batch is told: the fields of batch.run, and the same as options of a
-- command line.

local command_line = require "harp.command_line"
local journal = require "harp.batch.journal"
local quantities = require "harp.quantities"
local reading = require "harp.cli.reading"
local value = require "harp.value"

local options = {}

-- ---- reading words: the value, or nil and what is wrong ----

-- "20" → 20, "5%" → "5%".
local function share(text)
  local percent = text:match "^(%d+%.?%d*)%%$"
  if percent and tonumber(percent) <= 100 then return text end
  local number = not percent and quantities.number(text)
  if number then return number end
  return nil, ("'%s' is neither a number of hosts nor a share of them, such as 5%%"):format(command_line.unmarked(text))
end

local function shares(text)
  local list = {}
  for word in (text .. ","):gmatch "([^,]*)," do
    local size, complaint = share(word)
    if not size then return nil, complaint end
    if size == 0 or size == "0%" then return nil, "a wave has at least one host" end
    list[#list + 1] = size
  end
  return list
end

local function queue(text)
  if text == "none" then return false end
  return reading.queue(text)
end

local function name(text)
  if journal.is_name(text) then return text end
  return nil, ("'%s' is no name of a run: letters, digits, '_', '.' and '-'"):format(text)
end

-- ---- checking values ----

local function is_count(v) return math.type(v) == "integer" and v > 0 end
local function is_seconds(v) return type(v) == "number" and v > 0 and v <= 1e9 end
local function is_share(v) return math.type(v) == "integer" and v >= 0 or type(v) == "string" and share(v) ~= nil end
local function is_text(v) return type(v) == "string" and v ~= "" end
local function is_callable(v) return type(v) == "function" end
local function is_boolean(v) return type(v) == "boolean" end

local function is_selection(v)
  if type(v) ~= "table" then return type(v) == "string" end
  for _, item in ipairs(v) do
    if type(item) ~= "string" then return false end
  end
  return true
end

local function is_wave(v) return is_share(v) and v ~= 0 and v ~= "0%" end

local function is_serial(v)
  if type(v) ~= "table" then return is_wave(v) end
  for _, item in ipairs(v) do
    if not is_wave(item) then return false end
  end
  return v[1] ~= nil
end

local function is_retries(v)
  if type(v) ~= "table" then return math.type(v) == "integer" and v >= 0 end
  for key in pairs(v) do
    if key ~= 1 and key ~= "backoff" then return false end
  end
  return is_count(v[1]) and (v.backoff == nil or v.backoff == 0 or is_seconds(v.backoff))
end

local function one_of(...)
  local set = {}
  for _, item in ipairs{ ... } do set[item] = true end
  return function(v) return set[v] or false end
end

-- ---- the fields ----

local SHARE = "a number of hosts, or a share of them, such as \"5%\""

-- Each: a test, and what the value must be. harp.batch says what they mean.
local FIELDS = {
  name = { journal.is_name, "a name of letters, digits, '_', '.' and '-'" },
  caller = { function(v) return value.is_a(v, "harp.caller") end, "a harp.caller" },
  hosts = { function(v) return is_callable(v) or is_selection(v) end,
    "a selection of hosts, a list of them, or a function that returns one" },
  limit = { is_selection, "a selection of hosts" },
  step = { is_callable, "a function of a host" },
  concurrency = { is_count, "an integer of at least 1" },
  serial = { is_serial, SHARE .. ", above 0, or a list of them" },
  max_fail = { is_share, SHARE },
  retries = { is_retries, "an integer, or {integer, backoff = seconds}" },
  timeout = { is_seconds, "a number of seconds" },
  on_fail = { one_of("host", "batch"), "\"host\" or \"batch\"" },
  queue = { function(v) return v == false or type(v) == "table" or is_callable(v) end,
    "a table with names as keys, a function of a host's name that returns one, or false" },
  after_wave = { is_callable, "a function of a wave" },
  dry_run = { is_boolean, "true or false" },
  resume = { is_boolean, "true or false" },
  show = { one_of("auto", "lines", "jsonl", "summary", "none"),
    "\"auto\", \"lines\", \"jsonl\", \"summary\" or \"none\"" },
  out = { function(v) return io.type(v) == "file" end, "an open file" },
  report = { is_text, "the path of a file" },
  junit = { is_text, "the path of a file" },
}

local REQUIRED = { "hosts", "step" }

local function complain(level, text, ...) error("batch.run: " .. text:format(...), level + 1) end

-- What was said on a command line counts more than what a recipe says, but for
-- hosts: a recipe with several batches says them of its second.
local function merged(given)
  local all = {}
  for key, v in pairs(given) do all[key] = v end
  all.options = nil
  for key, v in pairs(given.options and given.options.batch or {}) do all[key] = v end
  all.hosts = given.hosts or all.hosts
  return all
end

--- The fields of batch.run, checked, with the defaults.
function options.check(given)
  if type(given) ~= "table" then complain(3, "a table of options is needed") end
  local all = merged(given)
  for key, v in pairs(all) do
    local field = FIELDS[key]
    if not field then complain(3, "nobody knows the option %q", tostring(key)) end
    if not field[1](v) then complain(3, "%s must be %s", key, field[2]) end
  end
  for _, key in ipairs(REQUIRED) do
    if all[key] == nil then complain(3, "%s is missing: %s", key, FIELDS[key][2]) end
  end
  local retries = all.retries or 0
  if type(retries) ~= "table" then retries = { retries } end
  all.retries, all.backoff = retries[1], retries.backoff or 1
  all.concurrency, all.on_fail, all.show = all.concurrency or 50, all.on_fail or "host", all.show or "auto"
  if type(all.serial) ~= "table" then all.serial = { all.serial } end
  return all
end

-- ---- command lines ----

local function path(text)
  if text == "" then return nil, "'' is no path of a file" end
  return text
end

--- The options, in the order of help: name, argname (none: a flag), text, read
-- (a converter), field, and value, what a flag sets it to.
options.LIST = {
  { "--limit", "SELECTION", "Of the hosts only these: such as 'web*', or @RUN:failed.", field = "limit" },
  { "--concurrency", "N", "At most so many hosts at once; default 50.", quantities.count, field = "concurrency" },
  { "--serial", "N,…", "Waves: how many hosts, or such as 10%, the last again and again: 1,10%,100%.", shares,
    field = "serial" },
  { "--max-fail", "N", "No further wave after one in which more hosts failed, or such as 5%.", share,
    field = "max_fail" },
  { "--on-fail", "WHAT", "batch: after the first failure no more hosts are begun; host (default): the others go on.",
    choices = { "host", "batch" }, field = "on_fail" },
  { "--retries", "N", "Try again a host that failed, so many times; not where nobody knows whether it ran.",
    quantities.number, field = "retries" },
  { "--backoff", "TIME", "The first pause before that, then doubled; default 1s.", quantities.seconds,
    field = "backoff" },
  { "--timeout", "TIME", "How long a call may run: seconds, or such as 90s, 10m, 1h.", quantities.seconds,
    field = "timeout" },
  { "--queue", "QUEUE", "The queue of all calls, a name (also 5) or an object; none: no queue. Default: each host's.",
    queue, field = "queue" },
  { "--name", "NAME", "The name of the run; a run of that name that was left is taken up.", name, field = "name" },
  { "--new", nil, "Begin anew where a run was left.", field = "resume", value = false },
  { "--dry-run", nil, "Only say which calls would be made, where, in which order.", field = "dry_run", value = true },
  { "--quiet", nil, "The summary only.", field = "show", value = "summary" },
  { "--jsonl", nil, "Each event as a line of JSON, on standard output.", field = "show", value = "jsonl" },
  { "--report", "FILE", "Write a page about the run, HTML.", path, field = "report" },
  { "--junit", "FILE", "The same as JUnit has it, XML.", path, field = "junit" },
}

-- What argparse, and harp.args, keep its value by.
local function key_of(item) return (item[1]:gsub("^%-%-", ""):gsub("-", "_")) end

--- The fields of batch.run that the values of such options stand for, as argparse
-- has them; `own` is a set of those that mean something else.
function options.fields(values, own)
  local fields = {}
  for _, item in ipairs(options.LIST) do
    local v = nil
    if not own or not own[item[1]] then v = values[key_of(item)] end
    if not item[2] and v then v = item.value elseif not item[2] then v = nil end
    if v ~= nil then fields[item.field] = v end
  end
  if fields.backoff then
    fields.retries = (fields.retries or 0) > 0 and { fields.retries, backoff = fields.backoff } or nil
    fields.backoff = nil
  end
  return fields
end

local HOSTS = { "hosts", "where: names, 'web[01-20]', 'web*', @GROUP, @RUN:failed, ./FILE, '!NOT'", args = "+" }

-- The declaration with what it has not, and a set of the names that it has.
local function completed(declaration)
  local list, own = {}, {}
  for i, item in ipairs(declaration) do
    list[i] = item
    local names = type(item) == "table" and item[1] or ""
    for word in tostring(names):gmatch "%S+" do own[word] = true end
  end
  if not own.hosts then list[#list + 1] = HOSTS end
  for _, item in ipairs(options.LIST) do
    if not own[item[1]] then
      list[#list + 1] = { item[1], item[3], flag = not item[2] or nil, choices = item.choices, type = item[4] }
    end
  end
  return list, own
end

--- harp.args with the argument `hosts` and the options of batches besides the
-- declared ones, of which each keeps its meaning. The result's `batch` has the
-- fields of batch.run{ options = args }.
function options.args(declaration, words)
  if type(declaration) ~= "table" then error("batch.args takes a table, as harp.args does", 3) end
  local list, own = completed(declaration)
  local args, help = require "harp.args"(list, words)
  if not args then return args, help end
  args.batch = options.fields(args, own)
  args.batch.hosts = args.hosts
  return args
end

return options
