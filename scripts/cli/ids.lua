--- The ids of jobs as people write them: short, where that is unique.

local core = require "harp.core"
local main = require "harp.cli.main"
local show = require "harp.cli.show"

local ids = {}

local LENGTH, LEAST = 36, 4     -- characters of a whole one, and of what may stand for it
local LOOKED_AT = 10000         -- jobs, the newest ones
local SHOWN = 5                 -- of those that a prefix may mean

ids.DETAILS = [[
An id may be shortened, to 4 characters or more that no other of the newest
10000 jobs begins with; a stock dispatcher needs all of it. "-" reads ids from
standard input, a line each, or lines of JSON as harp jobs and harp call print
them.]]

-- A line of JSON has the id in "job" or in "id".
local function id_of(line)
  local _, object = pcall(core.decode, line)
  return type(object) == "table" and (object.job or object.id) or line:match "^%s*(%S+)%s*$"
end

local function add_input(list)
  for line in io.lines() do
    local id = line:find "%S" and id_of(line)
    if type(id) == "string" then list[#list + 1] = id end
  end
end

local function check(word)
  if #word > LENGTH or not word:find "^[%x-]+$" then
    main.usage(("'%s' is no id of a job, nor the beginning of one"):format(show.one_line(word)))
  end
  if #word < LEAST then main.usage(("'%s' is too short: an id needs %d characters"):format(word, LEAST)) end
  return word:lower()
end

-- The words, with those that standard input has, each once.
local function read(words)
  local list, once, known = {}, {}, {}
  for _, word in ipairs(words) do
    if word == "-" then add_input(list) else list[#list + 1] = word end
  end
  for _, word in ipairs(list) do
    word = check(word)
    if not known[word] then once[#once + 1] = word end
    known[word] = true
  end
  return once
end

-- Adds each job to those of the prefixes that it begins with.
local function look_up(rpc, found)
  local jobs <close> = rpc:jobs{ limit = LOOKED_AT }
  for job in jobs do
    for prefix, list in pairs(found) do
      if job.id:sub(1, #prefix) == prefix then list[#list + 1] = job end
    end
  end
end

local function describe(list)
  local texts = {}
  for i = 1, math.min(#list, SHOWN) do
    local job = list[i]
    texts[i] = "  " .. show.one_line(("%s  %s %s, %s ago"):format(
      job.id, job.host, job.procedure, show.age(job.time.submit)))
  end
  if list[SHOWN + 1] then texts[#texts + 1] = ("  and %d more"):format(#list - SHOWN) end
  return table.concat(texts, "\n")
end

-- The whole id that a prefix stands for.
local function the_one(prefix, list)
  if list[2] then main.usage(("%s is not unique:\n%s\nwrite more of it"):format(prefix, describe(list))) end
  if list[1] then return list[1].id end
  error(core.error{
    kind = "RemoteError", type = "invalid_jobid", message = ("no job's id begins with %s"):format(prefix),
  }, 0)
end

local function complete(rpc, words)
  local found, any = {}, false
  for _, word in ipairs(words) do
    if #word < LENGTH then found[word], any = {}, true end
  end
  if not any then return words end
  local well, failure = pcall(look_up, rpc, found)
  if not well then
    if core.is_error(failure, "UsageError") then
      main.usage "this dispatcher cannot list its jobs, so the ids must be whole"
    end
    error(failure, 0)
  end
  local whole = {}
  for i, word in ipairs(words) do whole[i] = found[word] and the_one(word, found[word]) or word end
  return whole
end

--- The jobs that the words of a command line mean, at least one.
function ids.jobs(rpc, words)
  local list = {}
  for i, id in ipairs(complete(rpc, read(words))) do list[i] = rpc:job(id) end
  if not list[1] then main.usage "there was no id on standard input" end
  return list
end

return ids
