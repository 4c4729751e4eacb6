--- How far a batch is, as one line of a terminal:
--
--     wave 2/3 ██████▒▒▒░░░░░ 45%  87 done, 3 failed, 20 running, 90 left  12/s  ETA 9s  42s

local brief = require "harp.batch.brief"
local core = require "harp.core"
local outcomes = require "harp.batch.outcomes"
local width = require "harp.cli.width"

local Progress = {}
Progress.__index = Progress

local WINDOW = 10               -- seconds that the rate is of
local PAUSE = 0.5               -- between two samples of it
local NARROWEST, WIDEST = 10, 40        -- of the bar
local GAP = "  "

-- Done, failed, running, left.
local UTF8_CELLS = { "█", "█", "▒", "░" }
local ASCII_CELLS = { "#", "x", "-", "." }
local CELL_COLOURS = { "32", "31", "36", "2" }

-- ---- rate ----

-- The oldest sample that counts is the first.
local function take_sample(self, ended, now)
  local samples = self.samples
  local last = samples[#samples]
  if last and now - last.now < PAUSE then return end
  samples[#samples + 1] = { now = now, ended = ended }
  while samples[2] and now - samples[1].now > WINDOW do table.remove(samples, 1) end
end

-- Ends a second; nil while it cannot be known.
local function rate_of(self, ended, now)
  local first = self.samples[1]
  if not first or now - first.now < PAUSE then return nil end
  if ended > first.ended then return (ended - first.ended) / (now - first.now) end
  local begin = self.begin
  return ended > begin.ended and (ended - begin.ended) / (now - begin.now) or nil
end

local function rate_text(rate)
  if rate >= 10 then return ("%d/s"):format(rate // 1) end
  return rate >= 0.2 and ("%.1f/s"):format(rate) or ("%.1f/min"):format(rate * 60)
end

-- ---- parts ----

-- What is left out first where room is short has the lowest rank.
local function parts_of(self, record, now)
  local counts, total = record.counts, record.total or #record.hosts
  local failed = outcomes.failures(record.counts)
  local ended = total - counts.running - counts.waiting
  take_sample(self, ended, now)
  local rate, list = rate_of(self, ended, now), {}
  local function add(rank, text, colour) list[#list + 1] = { rank = rank, text = text, colour = colour } end
  local function add_count(...)
    add(...)
    list[#list].is_count = true
  end
  if record.waves[2] then add(4, ("wave %d/%d"):format(math.max(record.wave, 1), #record.waves), "1") end
  add(7, "bar")
  add(9, ("%d%%"):format(total > 0 and ended * 100 // total or 100))
  add_count(8, ("%d done"):format(ended - failed))
  add_count(8, ("%d failed"):format(failed), failed > 0 and "31" or nil)
  add_count(6, ("%d running"):format(counts.running))
  add_count(5, ("%d left"):format(counts.waiting))
  if rate then add(2, rate_text(rate)) end
  if record.stopped then
    add(3, "stopping", "33")
  elseif rate and total > ended then
    add(3, "ETA " .. brief.clock((total - ended) / rate))
  end
  add(1, brief.clock(core.time() - self.since), "2")
  return list, { ended - failed, failed, counts.running, counts.waiting }, total
end

-- ---- the bar ----

-- How many cells each of the four has: what there is any of is seen.
local function shares(amounts, total, columns)
  local cells, sum, used = {}, 0, 0
  for i, amount in ipairs(amounts) do
    sum = sum + amount
    local at = total > 0 and math.floor(sum * columns / total) or columns
    cells[i] = math.max(at - used, 0)
    used = used + cells[i]
  end
  cells[4] = cells[4] + columns - used
  for i = 2, 3 do
    local from = amounts[i] > 0 and cells[i] == 0 and (cells[4] > 0 and 4 or cells[1] > 1 and 1)
    if from then cells[i], cells[from] = 1, cells[from] - 1 end
  end
  return cells
end

local function bar(self, amounts, total, columns)
  local text = {}
  for i, count in ipairs(shares(amounts, total, columns)) do
    if count > 0 then text[#text + 1] = self.paint(CELL_COLOURS[i], self.cells[i]:rep(count)) end
  end
  return table.concat(text)
end

-- ---- the line ----

local function separator(list, i)
  local before, this = list[i - 1], list[i]
  if not before then return "" end
  if before.is_count and this.is_count then return ", " end
  return (before.text == "bar" or this.text == "bar") and " " or GAP
end

-- The columns of all but the bar.
local function columns_of(list)
  local columns = 0
  for i, part in ipairs(list) do
    columns = columns + #separator(list, i) + (part.text == "bar" and 0 or width.of(part.text))
  end
  return columns
end

local function has_bar(list)
  for _, part in ipairs(list) do
    if part.text == "bar" then return true end
  end
  return false
end

local function remove_least(list)
  local least = 1
  for i, part in ipairs(list) do
    if part.rank < list[least].rank then least = i end
  end
  table.remove(list, least)
end

--- The line, of at most so many columns; `now` as core.now() has it.
function Progress:line(record, columns, now)
  local list, amounts, total = parts_of(self, record, now)
  while list[2] and columns_of(list) + (has_bar(list) and NARROWEST or 0) > columns do remove_least(list) end
  local room = math.min(columns - columns_of(list), WIDEST)
  if not list[2] then return width.cut(list[1].text, columns) end
  local text = {}
  for i, part in ipairs(list) do
    text[#text + 1] = separator(list, i)
    if part.text == "bar" then
      text[#text + 1] = bar(self, amounts, total, room)
    else
      text[#text + 1] = part.colour and self.paint(part.colour, part.text) or part.text
    end
  end
  return table.concat(text)
end

-- What the locale says of characters.
local function knows_utf8()
  local locale
  for _, name in ipairs{ "LC_ALL", "LC_CTYPE", "LANG" } do
    local v = os.getenv(name)
    if not locale and v and v ~= "" then locale = v end
  end
  return locale ~= nil and locale:lower():find "utf%-?8" ~= nil
end

--- The progress of a record from now on; `since` (unix seconds) is when it
-- began; paint(SGR parameters, text) → text.
return function(record, since, paint)
  local counts, now = record.counts, core.now()
  local ended = (record.total or #record.hosts) - counts.running - counts.waiting
  return setmetatable({
    paint = paint, cells = knows_utf8() and UTF8_CELLS or ASCII_CELLS, since = since,
    samples = {}, begin = { now = now, ended = ended },
  }, Progress)
end
