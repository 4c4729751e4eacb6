--- A batch as somebody at a terminal sees it: what hosts say, as they say it,
-- each line with its host in front, above a line at the bottom that tells how
-- far it is. What else is written meanwhile appears above that, too: by print,
-- by children, by whatever. From the last end of a wave until the next one
-- begins the line is not there: after_wave has the terminal, for questions too.

local brief = require "harp.batch.brief"
local core = require "harp.core"
local new_progress = require "harp.batch.progress"
local new_sink = require "harp.batch.sink"
local outcomes = require "harp.batch.outcomes"
local show = require "harp.cli.show"
local width = require "harp.cli.width"

local Display = {}
Display.__index = Display

local PAUSE = 0.1               -- seconds between two times that it is drawn
local MOST_LINES = 10           -- of a value
local WIDEST_LABEL = 30
local LEAST_ROOM = 20           -- for what stands behind a label

-- ---- lines of hosts ----

local function columns_of(self)
  local columns = core.terminal(self.area)
  return columns and columns > 0 and columns or 80
end

-- What stands before a host's lines, and how wide it is.
local function prefix_of(self, name)
  local prefix = self.prefixes[name]
  if prefix then return prefix, self.label_width end
  local label = show.one_line(name) .. ":"
  self.number = self.number + 1
  prefix = self.sink:paint(show.host_colour(self.number), label)
    .. (" "):rep(math.max(self.label_width - width.of(label), 1))
  self.prefixes[name] = prefix
  return prefix, self.label_width
end

local function room_of(self) return math.max(columns_of(self) - self.label_width, LEAST_ROOM) end

-- While there is a line at the bottom, it is shown with it the next time.
local function put(self, text)
  if not (self.is_drawn and self.status and self.status:write(text)) then self.sink:write(text) end
end

local function write(self, name, text) put(self, prefix_of(self, name) .. text .. "\n") end

local function write_lines(self, name, lines, before)
  local prefix = prefix_of(self, name)
  put(self, prefix .. before .. table.concat(lines, "\n" .. prefix) .. "\n")
end

local function note(self, parameters, text) put(self, self.sink:paint(parameters, text) .. "\n") end

-- ---- the line at the bottom ----

local function draw(self)
  if not self.status then return end
  local line = self.progress:line(self.record, columns_of(self) - 1, core.now())
  if not self.status:show(line) then self.status = nil end
end

local function open_status(self)
  if self.status or self.is_closed then return end
  self.status = core.status(self.area)
  draw(self)
end

local function close_status(self)
  if self.status then self.status:close() end
  self.status = nil
end

local function draw_again_and_again(self)
  while not self.is_closed do
    core.sleep(PAUSE)
    draw(self)
  end
end

-- ---- events ----

local tell = {}

function tell.packet(self, event)
  self.has_packets[event.host] = true
  write_lines(self, event.host, brief.lines(event.data, room_of(self), MOST_LINES), "")
end

-- After packets a result can be told from them; nothing is not worth a line then.
local function tell_result(self, event)
  local has_packets = self.has_packets[event.host]
  self.has_packets[event.host] = nil
  if event.is_long then return write(self, event.host, self.sink:paint("32", "ok") .. ", a long value") end
  if brief.is_nothing(event.value) then
    if not has_packets then write(self, event.host, self.sink:paint("32", "ok")) end
    return
  end
  local before = has_packets and self.sink:paint("1", "=> ") or ""
  write_lines(self, event.host, brief.lines(event.value, room_of(self) - (has_packets and 3 or 0), MOST_LINES), before)
end

local function tell_failure(self, event)
  self.has_packets[event.host] = nil
  local text = brief.failure(event)
  if event.job then text = ("%s [job %s]"):format(text, event.job) end
  write(self, event.host, self.sink:paint(outcomes.is_failure(event.outcome) and "31" or "33", text))
end

tell["end"] = function(self, event)
  local step = event.outcome == "ok" and tell_result or tell_failure
  step(self, event)
  self.left = self.left - 1
  if self.left == 0 then close_status(self) end
end

function tell.retry(self, event)
  self.has_packets[event.host] = nil
  write(self, event.host, self.sink:paint("2", ("%s; again in %s"):format(
    brief.failure(event), brief.time(event.pause or 0))))
end

-- Of a wave, also of one that is gone on with.
local function count_left(record, wave)
  local count = 0
  for _, name in ipairs(wave) do
    if record.by_host[name].state ~= "ended" then count = count + 1 end
  end
  return count
end

function tell.run(self, event) note(self, "1", ("run %s"):format(event.run)) end

function tell.resume(self, _, record) note(self, "1", ("run %s goes on"):format(record.run)) end

function tell.wave(self, event, record)
  self.left = count_left(record, record.waves[event.wave])
  if record.waves[2] then
    note(self, "1", ("wave %d of %d, %s"):format(
      event.wave, #record.waves, brief.count(#record.waves[event.wave], "host")))
  end
  open_status(self)
end

-- Somebody looks at a run that goes on.
function tell.attach(self, _, record)
  local left = count_left(record, record.waves[record.wave] or {})
  self.left = left > 0 and left or math.huge
end

function tell.stop(self, event)
  note(self, "33", "no more hosts are begun: " .. show.one_line(event.reason or "stopped"))
end

-- ---- as an observer ----

local function begin(self, event, record)
  self.record = record
  for _, name in ipairs(record.hosts) do
    local columns = width.of(show.one_line(name)) + 2
    if columns <= WIDEST_LABEL then self.label_width = math.max(self.label_width, columns) end
  end
  local since = event.event == "resume" and event.time or record.time
  self.progress = new_progress(record, since, function(parameters, text) return self.bar:paint(parameters, text) end)
  self.ticker = core.spawn(draw_again_and_again, self)
  open_status(self)
end

--- Takes an event, which the record has taken before.
function Display:event(event, record)
  if not self.record then begin(self, event, record) end
  local step = tell[event.event]
  if step then step(self, event, record) end
end

--- The line at the bottom goes; what is told later is told without it.
function Display:close()
  if self.is_closed then return end
  self.is_closed = true
  close_status(self)
  if self.ticker then self.ticker:cancel() end
  self.sink:close()
end

Display.__close = Display.close

local DESCRIPTORS = { [io.stdout] = 1, [io.stderr] = 2 }

--- The standard stream whose terminal has the line at the bottom, for an observer
-- that writes to `out`: that itself, or else standard error; nil where neither
-- is one that can be drawn on.
local function area(out)
  local kind, at = os.getenv "TERM", DESCRIPTORS[out]
  if not kind or kind == "" or kind == "dumb" then return nil end
  return at and core.terminal(at) and at or core.terminal(2) and 2 or nil
end

local display = { area = area }

--- An observer. options.out: where the lines of hosts go, default io.stderr.
function display.new(options)
  local out = options and options.out or io.stderr
  local at = area(out) or 2
  local stream, sink = at == 1 and io.stdout or io.stderr, new_sink(out)
  return setmetatable({
    sink = sink, bar = out == stream and sink or new_sink(stream), area = at, prefixes = {}, number = 0,
    is_drawn = core.terminal(DESCRIPTORS[out] or -1) ~= nil, label_width = 0, has_packets = {}, left = math.huge,
  }, Display)
end

return setmetatable(display, { __call = function(_, options) return display.new(options) end })
