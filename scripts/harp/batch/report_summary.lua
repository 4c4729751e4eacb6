--- What a run was, and what became of it: the beginning of its report.

local figures = require "harp.batch.figures"
local host_output = require "harp.batch.host_output"
local markup = require "harp.batch.markup"
local outcomes = require "harp.batch.outcomes"
local shown_program = require "harp.batch.program"
local states = require "harp.batch.report_states"

local function date(time) return os.date("%Y-%m-%d %H:%M:%S %z", math.floor(time)) end

local function verdict(record)
  local counts, hosts = record.counts, #record.hosts
  local ok, failed = counts.ok or 0, outcomes.failures(record.counts)
  if ok == hosts and hosts > 1 then return ("All %s hosts are ok."):format(figures.number(hosts)) end
  local parts = { ("%s of %s ok"):format(figures.number(ok), figures.count(hosts, "host")) }
  if failed > 0 then parts[#parts + 1] = ("%s failed"):format(figures.number(failed)) end
  for _, state in ipairs{ "not_reached", "running", "waiting" } do
    local count = counts[state] or 0
    if count > 0 then parts[#parts + 1] = ("%s %s"):format(figures.number(count), states.title(state)) end
  end
  return table.concat(parts, ", ") .. "."
end

-- How many there are of each, as a bar: no share is too small to be seen.
local function add_shares(out, record)
  local shares, sum = {}, 0
  states.each(record.counts, function(state, count)
    local share = { state = state, size = math.max(count / #record.hosts, 0.006) }
    shares[#shares + 1], sum = share, sum + share.size
  end)
  out[#out + 1] = '<svg class="share" width="100%" height="10" aria-hidden="true">'
  local x = 0
  for _, share in ipairs(shares) do
    local width = share.size / sum * 100
    out[#out + 1] = ('<rect class="%s" x="%.3f%%" width="%.3f%%" height="10"/>'):format(share.state, x, width)
    x = x + width
  end
  out[#out + 1] = "</svg>"
end

local function add_counts(out, record)
  out[#out + 1] = '<ul class="counts">'
  states.each(record.counts, function(state, count)
    out[#out + 1] = ("<li>%s<b>%s</b></li>"):format(states.badge(state), figures.number(count))
  end)
  out[#out + 1] = "</ul>"
end

local function sizes_of(record)
  local sizes = {}
  for i, wave in ipairs(record.waves) do
    sizes[i] = figures.number(#wave)
    if i == 20 and #record.waves > 20 then sizes[i] = "…" break end
  end
  return ("%s of %s"):format(figures.count(#record.waves, "wave"), table.concat(sizes, ", "))
end

-- A value of an option: texts as they are, of a list one after the other.
local function in_words(v)
  if type(v) == "string" then return markup.line(v) end
  if type(v) ~= "table" or #v == 0 then return host_output.json(v) end
  local words = {}
  for i, item in ipairs(v) do words[i] = in_words(item) end
  return table.concat(words, " ")
end

-- A text, or options by name.
local function options(v)
  if type(v) ~= "table" or #v > 0 then return v and in_words(v) end
  local words = {}
  for name, item in pairs(v) do words[#words + 1] = ("%s %s"):format(markup.line(tostring(name)), in_words(item)) end
  table.sort(words)
  return words[1] and table.concat(words, ", ")
end

-- A text; a script, or a command of harp, with its arguments.
local function program(v)
  v = shown_program(v)
  local name = type(v) == "table" and (v.script or v.command and "harp " .. v.command)
  if not name then return options(v) end
  local arguments = type(v.arguments) == "table" and #v.arguments > 0
    and " " .. in_words(v.arguments) or ""
  return in_words(name) .. arguments
end

local function dispatcher(v) return v and in_words(v) end

local function facts(record)
  local last = record.finished or record.latest
  return {
    { "Began", date(record.time) },
    { "Dispatcher", dispatcher(record.caller) or "–" },
    { "Ended", record.finished and date(record.finished) or "not yet" },
    { "Program", program(record.program) or "–" },
    { record.finished and "Took" or "So far", figures.duration(last - record.time) },
    { "Hosts", figures.number(#record.hosts) .. (#record.waves > 1 and " in " .. sizes_of(record) or "") },
    { "Options", options(record.options) },
  }
end

local function add_facts(out, record)
  out[#out + 1] = '<dl class="facts">'
  for _, fact in ipairs(facts(record)) do
    if fact[2] then
      out[#out + 1] = ("<div%s><dt>%s</dt><dd>%s</dd></div>"):format(
        fact[1] == "Options" and ' class="wide"' or "", fact[1], markup.escape(fact[2]))
    end
  end
  out[#out + 1] = "</dl>"
end

--- Adds it to a list of pieces of HTML.
return function(out, record)
  out[#out + 1] = ('<header><h1>%s</h1>\n<p class="id">Run <code>%s</code></p></header>'):format(
    markup.html(record.name or record.run), markup.html(record.run))
  out[#out + 1] = ('<section aria-label="Summary"><p class="verdict">%s</p>'):format(verdict(record))
  add_shares(out, record)
  add_counts(out, record)
  if record.stopped then
    out[#out + 1] = ('<p class="note stop"><b>Stopped:</b> %s</p>'):format(markup.html(tostring(record.stopped)))
  end
  if not record.finished then
    out[#out + 1] = ('<p class="note">The run had not ended when this page was written%s. '
      .. "<code>harp attach %s</code> shows it.</p>"):format(
      record.detached and ": who watched it had left, and its jobs go on" or "", markup.html(record.run))
  end
  add_facts(out, record)
  out[#out + 1] = "</section>"
end
