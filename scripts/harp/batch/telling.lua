--- What is told of a run: while it goes on, by an observer; at its end, by a
-- summary and by files.

local core = require "harp.core"
local new_sink = require "harp.batch.sink"
local output = require "harp.cli.output"
local replace_file = require "harp.batch.replace_file"
local show = require "harp.batch.show"

local telling = {}

local busy = false              -- one run at a time can have the terminal

local function out_of(given)
  return given.show == "jsonl" and io.stdout or given.out or io.stderr
end

local held = 0                  -- runs that are told of

--- A run is to be told of, until this is closed: who reads of it may go.
function telling.hold()
  if held == 0 then core.survive_broken_pipes(true) end
  held = held + 1
  return setmetatable({}, { __close = function()
    held = held - 1
    if held == 0 then core.survive_broken_pipes(false) end
  end })
end

--- The observers that a run is to have.
function telling.observers(given)
  local how = given.show
  if busy and how == "auto" then how = "lines" end
  busy = true
  return { show.choose{ show = how, out = out_of(given) } }
end

--- Nothing more is told by them.
function telling.close(observers)
  busy = false
  for _, observer in ipairs(observers) do observer:close() end
end

--- A line for people, on standard error.
function telling.say(text, ...)
  io.stderr:write("harp: ", (text:format(...)), "\n")
end

--- The same, where a run is told of.
function telling.note(given, ...)
  if given.show ~= "none" and given.show ~= "jsonl" then telling.say(...) end
end

--- A line of what was asked for, on standard output.
telling.print = output.line

local written = {}              -- how many files had a path

-- Its own for each run of a script: page.html, page-2.html.
local function path_of(path)
  written[path] = (written[path] or 0) + 1
  if written[path] == 1 then return path end
  local stem, extension = path:match "^(.*[^/])(%.[^./]*)$"
  return ("%s-%d%s"):format(stem or path, written[path], extension or "")
end

--- Refuses files that could not be written, before anything is done.
function telling.check(given)
  if given.report then replace_file.check(given.report, "the report") end
  if given.junit then replace_file.check(given.junit, "the JUnit file") end
end

--- The end of a run: the summary, and the files that are wanted.
function telling.conclude(record, given)
  if given.show ~= "none" and given.show ~= "jsonl" then
    local out, columns = out_of(given), output.size()
    local lines, sink = require "harp.batch.summary".lines(record, columns, out), new_sink(out)
    sink:write(table.concat(lines, "\n") .. "\n")
    sink:close()
  end
  local failed = nil
  for _, kind in ipairs{ "report", "junit" } do
    if given[kind] then
      local well, failure = pcall(require("harp.batch." .. kind).write, path_of(given[kind]), record)
      failed = failed or not well and failure
    end
  end
  if failed then error(failed, 0) end
end

return telling
