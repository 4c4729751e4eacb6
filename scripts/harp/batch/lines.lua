--- A batch as lines: for logs, and for programs.

local brief = require "harp.batch.brief"
local core = require "harp.core"
local new_sink = require "harp.batch.sink"
local shown_program = require "harp.batch.program"
local show = require "harp.cli.show"

local lines = {}

-- ---- text ----

local Text = {}
Text.__index = Text

local tell = {}

function tell.run(event)
  local waves = event.waves and event.waves[2] and (" in %d waves"):format(#event.waves) or ""
  return ("run %s: %s%s"):format(event.run, brief.count(#event.hosts, "host"), waves)
end

function tell.resume(_, record) return ("run %s goes on: %d left"):format(record.run, record.counts.waiting) end

function tell.attach(_, record)
  local counts, total = record.counts, record.total or #record.hosts
  return ("run %s, %s: %d ended, %d running, %d left"):format(
    record.run, brief.count(total, "host"), total - counts.running - counts.waiting, counts.running, counts.waiting)
end

function tell.wave(event, record)
  if not record.waves[2] then return nil end
  return ("wave %d of %d, %s"):format(event.wave, #record.waves, brief.count(#record.waves[event.wave], "host"))
end

function tell.packet(event) return ("%s | %s"):format(event.host, brief.line(event.data)) end

function tell.retry(event)
  return ("%s: attempt %d: %s; again in %s"):format(
    event.host, event.attempt, brief.failure(event), brief.time(event.pause or 0))
end

local function value_of(event)
  if event.is_long then return ": a long value" end
  return brief.is_nothing(event.value) and "" or ": " .. brief.line(event.value)
end

tell["end"] = function(event, record)
  local host = record.by_host[event.host]
  local took = host.start and brief.time(event.time - host.start)
  local attempts = (event.attempts or 1) > 1 and (", attempt %d"):format(event.attempts) or ""
  if event.outcome == "ok" then
    return ("%s: ok%s%s%s"):format(event.host, took and " in " .. took or "", attempts, value_of(event))
  end
  local job = event.job and (" [job %s]"):format(event.job) or ""
  return ("%s: %s%s%s%s"):format(event.host, brief.failure(event), job, took and "; after " .. took or "", attempts)
end

function tell.stop(event) return "no more hosts are begun: " .. (event.reason or "stopped") end

function tell.detach() return "left; jobs that run go on" end

-- Made once a second.
local function stamp(self, time)
  time = math.floor(time or os.time())
  if self.stamped ~= time then
    self.stamped, self.stamp = time, os.date("%Y-%m-%d %H:%M:%S ", time)
  end
  return self.stamp
end

function Text:event(event, record)
  local step = tell[event.event]
  local text = step and step(event, record)
  if text then self.sink:write(stamp(self, event.time) .. show.one_line(text) .. "\n") end
end

function Text:close() self.sink:close() end
Text.__close = Text.close

--- An observer that writes a line for each event that people want to know of,
-- with its time. options.out: default io.stdout.
function lines.text(options)
  return setmetatable({ sink = new_sink(options and options.out or io.stdout) }, Text)
end

-- ---- JSON ----

local Json = {}
Json.__index = Json

-- Those that a reader looks for first; the others follow by their names.
local FIRST = {
  "time", "event", "run", "name", "host", "wave", "attempt", "key", "procedure", "job", "number", "data", "outcome",
  "value", "type", "message",
}

local RANKS = {}
for rank, name in ipairs(FIRST) do RANKS[name] = rank end

local function comes_before(a, b)
  local rank_a, rank_b = RANKS[a] or math.huge, RANKS[b] or math.huge
  if rank_a == rank_b then return a < b end
  return rank_a < rank_b
end

local function json(v) return type(v) == "table" and show.json(v) or core.encode(v) end

-- Events are many: as show.record would have it, in a third of its time.
local function line_of(event)
  local names, parts = {}, {}
  for name in pairs(event) do names[#names + 1] = name end
  table.sort(names, comes_before)
  for i, name in ipairs(names) do
    local v = event[name]
    parts[i] = ('"%s":%s'):format(name, json(name == "program" and shown_program(v) or v))
  end
  return "{" .. table.concat(parts, ",") .. "}\n"
end

function Json:event(event) self.sink:write(line_of(event)) end

function Json:close() self.sink:close() end
Json.__close = Json.close

--- An observer that writes each event as a line of JSON, its names always in the
-- same order. options.out: default io.stdout.
function lines.json(options)
  return setmetatable({ sink = new_sink(options and options.out or io.stdout) }, Json)
end

return lines
