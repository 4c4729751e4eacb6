--- The hosts of a run over time, as SVG: a bar for each host where there are few
-- enough, else how many had come how far. What it is wide is in percent, so
-- that texts keep their size on a page of any width.

local figures = require "harp.batch.figures"
local markup = require "harp.batch.markup"
local outcomes = require "harp.batch.outcomes"
local states = require "harp.batch.report_states"

local MOST_NAMED = 60           -- bars that have their host's name beside them
local MOST_BARS = 400
local BARS_HEIGHT = 640         -- of bars without names, about
local AXIS = 24                 -- pixels above the bars
local LABEL = 7                 -- half the height of a label
local STEPS = {
  0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400,
}
local SLOTS = 400               -- across a page, of the density

-- ---- time ----

local function extent(record)
  local first, last = nil, record.finished or record.latest
  for _, host in pairs(record.by_host) do
    if host.start then first = math.min(first or host.start, host.start) end
    if host.stop then last = math.max(last, host.stop) end
  end
  first = first or record.time
  return first, math.max(last, first + 0.05)
end

local Scale = {}
Scale.__index = Scale

local function new_scale(record)
  local first, last = extent(record)
  return setmetatable({ first = first, last = last, length = last - first }, Scale)
end

-- Of a time, 0 … 100.
function Scale:percent(time) return math.min(math.max((time - self.first) / self.length * 100, 0), 100) end

local function step_of(length)
  for _, step in ipairs(STEPS) do
    if length / step <= 6 then return step end
  end
  return length // 6 // 86400 * 86400 + 86400
end

-- Lines and their labels; the last label only where it is not cut off.
function Scale:axis(out, height)
  local step = step_of(self.length)
  for i = 0, self.length // step do
    local x = i * step / self.length * 100
    out[#out + 1] = ('<line class="grid" x1="%.2f%%" x2="%.2f%%" y1="18" y2="%d"/>'):format(x, x, height)
    if x < 97 then
      out[#out + 1] = ('<text x="%.2f%%" y="11"%s>%s</text>'):format(
        x, i > 0 and ' text-anchor="middle"' or "", figures.tick(i * step))
    end
  end
end

-- ---- what all have ----

local function stop_of(host, scale) return host.stop or scale.last end

local function wave_times(record)
  local times = {}
  for number, names in ipairs(record.waves) do
    local first
    for _, name in ipairs(names) do
      local start = record.by_host[name].start
      if start and (not first or start < first) then first = start end
    end
    times[number] = first or false
  end
  return times
end

local function describe(host)
  local text = ("%s: %s"):format(markup.html(host.name), states.title(states.of(host)))
  if host.start and host.stop then text = ("%s, %s"):format(text, figures.duration(host.stop - host.start)) end
  if host.attempts > 1 then text = ("%s, %d attempts"):format(text, host.attempts) end
  return text
end

local function open_svg(height, label)
  return ('<svg class="plot" width="100%%" height="%d" role="img" aria-label="%s">'):format(height, label)
end

-- ---- bars ----

-- When its calls were submitted, besides the first.
local function later_calls(host)
  local times = {}
  for _, call in pairs(host.calls) do times[#times + 1] = call.time end
  table.sort(times)
  table.remove(times, 1)
  return times
end

-- What a bar is, when it is not simply ok: behind it, before it, or in it, where
-- there is room on a phone.
local function add_label(out, host, from, to, y)
  local state = states.of(host)
  local text = state == "ok" and "" or states.title(state)
  if host.attempts > 1 then text = ("%s ×%d"):format(text, host.attempts) end
  if text == "" then return end
  local needed = 4 + 2.9 * utf8.len(text)
  local is_inside = needed > 100 - to and needed > from and needed < to - from
  local place = ('x="%.2f%%" dx="6"'):format(is_inside and from or to)
  if not is_inside and needed > 100 - to and from > 100 - to then
    place = ('x="%.2f%%" dx="-6" text-anchor="end"'):format(from)
  end
  out[#out + 1] = ('<text class="%s" %s y="%.1f">%s</text>'):format(is_inside and "in" or "by", place, y + 4, text)
end

local function add_bar(out, host, scale, y, height)
  local from, to = scale:percent(host.start), scale:percent(stop_of(host, scale))
  local bar = '<rect class="%s" x="%.2f%%" y="%.1f" width="%.2f%%" height="%.1f"%s><title>%s</title></rect>'
  out[#out + 1] = bar:format(
    states.of(host), from, y, math.max(to - from, 0.35), height, height > 6 and ' rx="2"' or "", describe(host))
  for _, time in ipairs(height > 6 and later_calls(host) or {}) do
    local x = scale:percent(time)
    out[#out + 1] = ('<line class="call" x1="%.2f%%" x2="%.2f%%" y1="%.1f" y2="%.1f"/>'):format(x, x, y, y + height)
  end
  return from, to
end

local function add_wave_line(out, y)
  out[#out + 1] = ('<line class="wave" x1="0" x2="100%%" y1="%.1f" y2="%.1f"/>'):format(y, y)
end

local function bars(record, scale, pitch, is_named)
  local height = math.ceil(AXIS + #record.hosts * pitch + 4)
  local out = { open_svg(height, "The hosts over time; the table of hosts has the same in figures") }
  scale:axis(out, height)
  local gap = pitch >= 12 and 4 or pitch >= 4 and 1 or 0.25
  local wave, labels, labelled = 1, {}, -100
  for i, name in ipairs(record.hosts) do
    local host, y = record.by_host[name], AXIS + (i - 1) * pitch
    local middle = y + pitch / 2
    if host.wave ~= wave then add_wave_line(out, y) end
    wave = host.wave
    if host.start then
      local from, to = add_bar(out, host, scale, y + gap / 2, pitch - gap)
      if is_named or host.outcome and outcomes.is_failure(host.outcome) and middle - labelled >= 2 * LABEL then
        add_label(labels, host, from, to, middle)
        labelled = middle
      end
    elseif is_named then
      out[#out + 1] = ('<text class="by" x="4" y="%.1f">%s</text>'):format(middle + 4, states.title(states.of(host)))
    end
  end
  table.move(labels, 1, #labels, #out + 1, out)
  out[#out + 1] = "</svg>"
  return table.concat(out, "\n")
end

-- ---- what stands beside bars: waves, and names ----

local function named(record, ids)
  local out = { '<ol class="names">' }
  local wave = 0
  for _, name in ipairs(record.hosts) do
    local host = record.by_host[name]
    local number = host.wave ~= wave and #record.waves > 1 and ("<i>wave %d</i>"):format(host.wave) or ""
    local class = host.wave ~= wave and wave > 0 and ' class="first"' or ""
    wave = host.wave
    out[#out + 1] = ('<li%s>%s<a href="#%s">%s</a></li>'):format(class, number, ids[name], markup.html(name))
  end
  out[#out + 1] = "</ol>"
  return table.concat(out, "\n")
end

-- Where each wave has its label: the larger ones first, as far as there is room.
local function places(record, pitch)
  local waves, at = {}, AXIS
  for number, names in ipairs(record.waves) do
    waves[number] = { number = number, at = at, size = #names }
    at = at + #names * pitch
  end
  table.sort(waves, function(a, b)
    if a.size ~= b.size then return a.size > b.size end
    return a.number < b.number
  end)
  local taken, placed = {}, {}
  for _, wave in ipairs(waves) do
    local row = wave.at // LABEL
    if not taken[row - 1] and not taken[row] and not taken[row + 1] then
      taken[row] = true
      placed[#placed + 1] = wave
    end
  end
  return placed
end

local function gutter(record, pitch)
  local height = math.ceil(AXIS + #record.hosts * pitch + 4)
  local out = { ('<svg class="gutter" width="64" height="%d" aria-hidden="true">'):format(height) }
  for _, wave in ipairs(places(record, pitch)) do
    out[#out + 1] = ('<text x="0" y="%.1f">wave %d</text>'):format(math.min(wave.at + 10, height - 2), wave.number)
  end
  out[#out + 1] = "</svg>"
  return table.concat(out, "\n")
end

-- ---- density ----

local DENSITY_HEIGHT, LANE = 280, 20

-- Of each slot: how many hosts had begun, and ended by outcome.
local function progress(record, scale)
  local begun, ended = {}, {}
  for slot = 0, SLOTS do begun[slot] = 0 end
  local function slot_of(time) return math.floor(scale:percent(time) / 100 * SLOTS) end
  for _, host in pairs(record.by_host) do
    if host.start then begun[slot_of(host.start)] = begun[slot_of(host.start)] + 1 end
    if host.start and host.stop then
      local list = ended[host.outcome] or {}
      ended[host.outcome] = list
      list[slot_of(host.stop)] = (list[slot_of(host.stop)] or 0) + 1
    end
  end
  return begun, ended
end

local function sums(list)
  local all, sum = {}, 0
  for slot = 0, SLOTS do
    sum = sum + (list[slot] or 0)
    all[slot] = sum
  end
  return all
end

-- What is between two lines: each has a count for each slot.
local function area(class, low, high, hosts)
  local points = {}
  for slot = 0, SLOTS do points[#points + 1] = ("%d %.4g"):format(slot, hosts - high[slot]) end
  for slot = SLOTS, 0, -1 do points[#points + 1] = ("%d %.4g"):format(slot, hosts - low[slot]) end
  return ('<path class="%s" d="M%sZ"/>'):format(class, table.concat(points, "L"))
end

local function stack(record, scale, out)
  local begun, ended = progress(record, scale)
  local low = sums{}
  for _, name in ipairs(outcomes.NAMES) do
    if ended[name] then
      local own, high = sums(ended[name]), {}
      for slot = 0, SLOTS do high[slot] = low[slot] + own[slot] end
      out[#out + 1] = area(name, low, high, #record.hosts)
      low = high
    end
  end
  out[#out + 1] = area("running", low, sums(begun), #record.hosts)
end

-- The row, of three, in which a label does not touch the one before it.
local function free_row(last, x)
  for row = 1, 3 do
    if x - (last[row] or -100) >= 16 then return row end
  end
end

local function add_waves(record, scale, out, height)
  local texts, last, line = {}, {}, -100
  for number, time in ipairs(#record.waves > 1 and wave_times(record) or {}) do
    local x = time and scale:percent(time)
    local row = x and free_row(last, x)
    if x and (row or x - line >= 0.5) then
      line = x
      out[#out + 1] = ('<line class="wave" x1="%.2f%%" x2="%.2f%%" y1="%d" y2="%d"/>'):format(x, x, AXIS, height)
    end
    if row then
      last[row] = x
      local place = x < 84 and 'dx="5"' or 'dx="-5" text-anchor="end"'
      local text = '<text class="wave" x="%.2f%%" %s y="%d">wave %d</text>'
      texts[#texts + 1] = text:format(x, place, AXIS + row * 2 * LABEL, number)
    end
  end
  table.move(texts, 1, #texts, #out + 1, out)
end

-- The failures of an outcome: a tick for each, or for some at the same place.
local function add_lane(record, scale, out, outcome, y)
  local seen = {}
  out[#out + 1] = ('<line class="grid" x1="0" x2="100%%" y1="%d" y2="%d"/>'):format(y + LANE - 4, y + LANE - 4)
  for _, name in ipairs(record:list(outcome)) do
    local host = record.by_host[name]
    local x = ("%.2f"):format(math.min(scale:percent(host.stop or scale.last), 99.6) // 0.25 * 0.25)
    if not seen[x] then
      seen[x] = true
      out[#out + 1] = ('<rect class="%s" x="%s%%" y="%d" width="3" height="%d"/>'):format(outcome, x, y, LANE - 4)
    end
  end
end

local function lanes_of(record)
  local lanes = {}
  for _, outcome in ipairs(outcomes.NAMES) do
    if outcomes.is_failure(outcome) and (record.counts[outcome] or 0) > 0 then lanes[#lanes + 1] = outcome end
  end
  return lanes
end

local function density(record, scale)
  local lanes = lanes_of(record)
  local bottom = AXIS + DENSITY_HEIGHT
  local out = {
    open_svg(bottom + 8 + #lanes * LANE, "How many hosts had begun, and ended, over time; the table of hosts has each"),
    ('<svg x="0" y="%d" width="100%%" height="%d" viewBox="0 0 %d %d" preserveAspectRatio="none">'):format(
      AXIS, DENSITY_HEIGHT, SLOTS, #record.hosts),
  }
  stack(record, scale, out)
  out[#out + 1] = "</svg>"
  scale:axis(out, bottom)
  add_waves(record, scale, out, bottom)
  for i, outcome in ipairs(lanes) do add_lane(record, scale, out, outcome, bottom + 8 + (i - 1) * LANE) end
  out[#out + 1] = "</svg>"
  return table.concat(out, "\n")
end

local function density_labels(record)
  local lanes = lanes_of(record)
  local bottom = AXIS + DENSITY_HEIGHT
  local out = { ('<svg class="gutter" width="78" height="%d" aria-hidden="true">'):format(bottom + 8 + #lanes * LANE) }
  for i = 0, 4 do
    out[#out + 1] = ('<text x="70" y="%d" text-anchor="end">%s</text>'):format(
      bottom - i * DENSITY_HEIGHT // 4 + (i == 0 and 0 or i == 4 and 9 or 4), figures.number(#record.hosts * i // 4))
  end
  for i, outcome in ipairs(lanes) do
    out[#out + 1] = ('<text x="70" y="%d" text-anchor="end">%s</text>'):format(
      bottom + 8 + i * LANE - 8, states.title(outcome))
  end
  out[#out + 1] = "</svg>"
  return table.concat(out, "\n")
end

-- ---- all of it ----

local timeline = {}

local function key(state)
  return ('<span class="key"><svg width="10" height="10" aria-hidden="true"><rect class="%s" width="10" height="10" '
    .. 'rx="2"/></svg>%s</span>'):format(state, states.title(state))
end

--- The timeline of a record, HTML; ids: host → id of its row in the page.
function timeline.html(record, ids)
  local scale, hosts = new_scale(record), #record.hosts
  if hosts > MOST_BARS then
    return ('<div class="timeline">%s%s</div>'):format(density_labels(record), density(record, scale)),
      key "ok" .. key "running" .. "How many hosts had ended, and how many were running, over time; each failure below."
  end
  if hosts <= MOST_NAMED then
    return ('<div class="timeline">%s%s</div>'):format(named(record, ids), bars(record, scale, 20, true)),
      "A bar for each host, from its start to its end; a notch is a further call."
  end
  local pitch = math.max(2, math.min(8, BARS_HEIGHT // hosts))
  local labels = #record.waves > 1 and gutter(record, pitch) or ""
  return ('<div class="timeline">%s%s</div>'):format(labels, bars(record, scale, pitch)),
    "A bar for each host, in their order, from its start to its end."
end

--- When a wave began, and how long it took, both in seconds; nil when it did
-- not begin.
function timeline.wave(record, number)
  local first, last
  for _, name in ipairs(record.waves[number]) do
    local host = record.by_host[name]
    if host.start then first = math.min(first or host.start, host.start) end
    if host.start then last = math.max(last or 0, host.stop or record.latest) end
  end
  if not first then return nil end
  return first, last - first
end

return timeline
