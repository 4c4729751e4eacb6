--- Tells what comes of several calls, while it comes: as lines of JSON, or to
-- somebody at a terminal. A run, one of the calls, has host, job (once it has
-- an id) and label (what stands before its lines where there are several).

local core = require "harp.core"
local outcome = require "harp.outcome"
local output = require "harp.cli.output"
local show = require "harp.cli.show"

-- ---- lines of JSON ----

local Lines = {}
Lines.__index = Lines

local function line(run, ...)
  output.line(show.record{ { "host", run.host }, { "job", run.job and run.job:id() }, ... })
end

function Lines:packet(run, number, data) line(run, { "packet", number }, { "data", data }) end

function Lines:result(run, data) line(run, { "result", data }) end

function Lines:cancelled(run) line(run, { "cancelled", true }) end

function Lines:failure(run, failure)
  line(run, { failure.kind == "RemoteException" and "exception" or "error", {
    type = failure.type or failure.kind, message = failure.message, data = failure.data,
  } })
end

-- ---- a terminal ----

local Terminal = {}
Terminal.__index = Terminal

-- A text of several lines, each with whose it is in front.
function Terminal:show(run, text)
  if not self.width then return output.line(text) end
  local label = run.label .. ":"
  local prefix = output.colour(run.colour, label .. (" "):rep(self.width + 2 - #label))
  output.line(prefix .. text:gsub("\n", { ["\n"] = "\n" .. prefix }))
end

function Terminal:room() return output.size() - (self.width and self.width + 2 or 0) end

function Terminal:packet(run, _, data)
  run.has_packets = true
  self:show(run, show.value(data, self:room()))
end

-- After packets it can be told from them; a null says nothing then.
function Terminal:result(run, data)
  if not run.has_packets then return self:show(run, show.value(data, self:room())) end
  if data ~= core.null then self:show(run, output.colour("1", "=> ") .. show.value(data, self:room() - 3)) end
end

function Terminal:complain(run, text)
  if self.width then text = run.label .. ": " .. text end
  output.note(self.command, show.one_line(text))
end

function Terminal:cancelled(run) self:complain(run, ("cancelled [job %s]"):format(run.job:id())) end

function Terminal:failure(run, failure) self:complain(run, outcome.line(failure)) end

-- ---- both ----

--- The reporter of a command: its methods are packet(run, number, data),
-- result(run, data), cancelled(run) and failure(run, error).
return function(command, runs, json)
  if json or not output.is_terminal then return setmetatable({}, Lines) end
  local width
  for i, run in ipairs(runs) do
    run.colour = show.host_colour(i)
    if runs[2] then width = math.max(width or 0, #run.label) end
  end
  return setmetatable({ command = command, width = width }, Terminal)
end
