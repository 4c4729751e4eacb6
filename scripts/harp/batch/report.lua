--- A run as a page of HTML: one file that needs nothing else, neither a network
-- nor, but for searching and sorting, scripts.
--
-- What hosts said the same is in it once. A host's output is at most 64 KiB of
-- it, and less where all of it together would be more than 16 MiB.

local figures = require "harp.batch.figures"
local host_output = require "harp.batch.host_output"
local markup = require "harp.batch.markup"
local outcomes = require "harp.batch.outcomes"
local random = require "harp.batch.random"
local replace_file = require "harp.batch.replace_file"
local add_hosts = require "harp.batch.report_hosts"
local outputs = require "harp.batch.report_outputs"
local page = require "harp.batch.report_page"
local states = require "harp.batch.report_states"
local add_summary = require "harp.batch.report_summary"
local timeline = require "harp.batch.report_timeline"

local report = {}

local MOST_OF_A_HOST, MOST_OF_ALL = 64 * 1024, 16 * 1024 * 1024

-- ---- the head of the page ----

-- A script or a style that comes from elsewhere does not know it.
local function new_nonce() return random.hex(16) end

-- The column of names is as wide as the longest, within reason.
local function name_columns(record)
  local longest = 8
  for _, name in ipairs(record.hosts) do longest = math.max(longest, utf8.len(name) or #name) end
  return math.min(longest + 1, 34)
end

local HEAD = [[
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s';
 base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="harp">
<title>%s</title>
<style nonce="%s">
%s:root { --name: %dch; }
</style>
</head>
<body>
<main>]]

local FOOT = [[
<footer>Written by harp, %s.</footer>
</main>
<script nonce="%s">
%s</script>
</body>
</html>
]]

local function add_head(out, record, nonce)
  local failed = outcomes.failures(record.counts)
  local title = ("%s: %s"):format(record.name or record.run, failed > 0 and
    ("%s of %s failed"):format(figures.number(failed), figures.count(#record.hosts, "host")) or
    figures.count(#record.hosts, "host"))
  out[#out + 1] = HEAD:format(nonce, nonce, markup.html(title), nonce, page.STYLE, name_columns(record))
end

-- ---- timeline and waves ----

local function wave_counts(record, names)
  local counts, texts = {}, {}
  for _, name in ipairs(names) do
    local state = states.of(record.by_host[name])
    counts[state] = (counts[state] or 0) + 1
  end
  states.each(counts, function(state, count)
    texts[#texts + 1] = ("%s %s"):format(figures.number(count), states.title(state))
  end)
  return table.concat(texts, ", ")
end

local function add_wave_table(out, record)
  out[#out + 1] = '<details><summary>The waves in figures</summary>\n<div class="scroll">'
    .. '<table class="waves"><thead><tr>'
    .. '<th scope="col">Wave</th><th scope="col">Hosts</th><th scope="col">Began after</th><th scope="col">Took</th>'
    .. '<th scope="col">Outcomes</th></tr></thead><tbody>'
  for number, names in ipairs(record.waves) do
    local start, length = timeline.wave(record, number)
    out[#out + 1] = ("<tr><td>%d</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>"):format(
      number, figures.number(#names), start and figures.duration(start - record.time) or "–",
      start and figures.duration(length) or "–", wave_counts(record, names))
  end
  out[#out + 1] = "</tbody></table></div></details>"
end

local function add_timeline(out, record, ids)
  local html, legend = timeline.html(record, ids)
  out[#out + 1] = '<section><h2>Timeline</h2>'
  out[#out + 1] = html
  out[#out + 1] = ('<p class="legend">%s</p>'):format(legend)
  if #record.waves > 1 then add_wave_table(out, record) end
  out[#out + 1] = "</section>"
end

-- ---- all of it ----

-- What several hosts said has an id, for their rows to name it.
local function by_host(groups)
  local group_of = {}
  for number, group in ipairs(groups) do
    if #group.hosts > 1 then group.id = ("o%d"):format(number) end
    for _, host in ipairs(group.hosts) do group_of[host] = group end
  end
  return group_of
end

--- A run's record (harp.batch.record) as the text of a page; of one that goes
-- on, as it stands.
function report.html(record)
  local out, ids, nonce = {}, {}, new_nonce()
  for i, name in ipairs(record.hosts) do ids[name] = ("h%d"):format(i) end
  local groups = host_output.groups(record)
  local group_of, limit = by_host(groups), host_output.limit(groups, MOST_OF_ALL, MOST_OF_A_HOST)
  add_head(out, record, nonce)
  add_summary(out, record)
  add_timeline(out, record, ids)
  if record.hosts[2] and groups[1] then outputs.add_groups(out, groups, ids, limit) end
  add_hosts(out, record, ids, group_of, limit)
  out[#out + 1] = FOOT:format(os.date "%Y-%m-%d %H:%M:%S %z", nonce, page.SCRIPT)
  return table.concat(out, "\n")
end

--- Writes that page to a file, all of it or nothing. Raises a UsageError of
-- type "file" when it cannot.
function report.write(path, record) replace_file.write(path, report.html(record), "the report") end

return report
