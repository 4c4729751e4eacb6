--- A run as a page of HTML: one file that needs nothing else, neither a network
-- nor, but for searching and sorting, scripts.
--
-- What hosts said the same is in it once. A host's output is at most 64 KiB of
-- it, and less where all of it together would be more than 16 MiB.

local figures = require "harp.batch.figures"
local host_output = require "harp.batch.host_output"
local markup = require "harp.batch.markup"
local outcomes = require "harp.batch.outcomes"
local page = require "harp.batch.report_page"
local replace_file = require "harp.batch.replace_file"
local timeline = require "harp.batch.report_timeline"

local report = {}

local MOST_OF_A_HOST, MOST_OF_ALL = 64 * 1024, 16 * 1024 * 1024
local GROUPS_SHOWN = 12

-- From the grave to the harmless, as people look for them.
local ORDER = { "unknown", "unreachable", "timeout", "error", "exception", "cancelled", "running", "waiting",
  "not_reached", "ok" }
local RANK = {}
for rank, state in ipairs(ORDER) do RANK[state] = rank end

local function state_of(host) return host.outcome or host.state end
local function title_of(state) return outcomes.TITLES[state] or state end
local function badge(state) return ('<span class="o %s">%s</span>'):format(state, title_of(state)) end
local function date(time) return os.date("%Y-%m-%d %H:%M:%S %z", math.floor(time)) end

local function count_failed(record)
  local failed = 0
  for state, n in pairs(record.counts) do
    if outcomes.TITLES[state] and outcomes.is_failure(state) then failed = failed + n end
  end
  return failed
end

-- ---- the head of the page ----

-- A script or a style that comes from elsewhere does not know it.
local function new_nonce()
  local source <close> = assert(io.open "/dev/urandom")
  return (source:read(16):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

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
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; base-uri 'none'; form-action 'none'">
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

local function add_head(out, record, nonce)
  local failed = count_failed(record)
  local title = ("%s: %s"):format(record.name or record.run, failed > 0 and
    ("%s of %s failed"):format(figures.number(failed), figures.count(#record.hosts, "host")) or
    figures.count(#record.hosts, "host"))
  out[#out + 1] = HEAD:format(nonce, nonce, markup.html(title), nonce, page.STYLE, name_columns(record))
end

-- ---- what it was, and what became of it ----

local function verdict(record)
  local counts, hosts = record.counts, #record.hosts
  local ok, failed = counts.ok or 0, count_failed(record)
  if ok == hosts then return hosts == 1 and "The host is ok." or ("All %s hosts are ok."):format(figures.number(hosts)) end
  local parts = { ("%s of %s ok"):format(figures.number(ok), figures.count(hosts, "host")) }
  if failed > 0 then parts[#parts + 1] = ("%s failed"):format(figures.number(failed)) end
  for _, state in ipairs{ "not_reached", "running", "waiting" } do
    if (counts[state] or 0) > 0 then parts[#parts + 1] = ("%s %s"):format(figures.number(counts[state]), title_of(state)) end
  end
  return table.concat(parts, ", ") .. "."
end

-- How many there are of each, as a bar: no share is too small to be seen.
local function add_shares(out, record)
  local shares, sum = {}, 0
  for i = #ORDER, 1, -1 do
    local count = record.counts[ORDER[i]] or 0
    if count > 0 then
      shares[#shares + 1] = { state = ORDER[i], size = math.max(count / #record.hosts, 0.006) }
      sum = sum + shares[#shares].size
    end
  end
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
  for i = #ORDER, 1, -1 do
    local count = record.counts[ORDER[i]] or 0
    if count > 0 then out[#out + 1] = ("<li>%s<b>%s</b></li>"):format(badge(ORDER[i]), figures.number(count)) end
  end
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

-- Options as they were shown: a text, a list of them, or texts by name.
local function in_words(v)
  if v == nil or v == "" then return nil end
  if type(v) ~= "table" then return markup.clean(tostring(v)) end
  local lines = {}
  for i, item in ipairs(v) do lines[i] = type(item) == "string" and markup.line(item) or host_output.json(item) end
  local named = {}
  for name, item in pairs(v) do
    if type(name) == "string" then
      named[#named + 1] = ("%s = %s"):format(markup.line(name),
        type(item) == "string" and markup.line(item) or host_output.json(item))
    end
  end
  table.sort(named)
  table.move(named, 1, #named, #lines + 1, lines)
  return lines[1] and table.concat(lines, "\n") or nil
end

local function facts(record)
  local last = record.finished or record.latest
  return {
    { "Began", date(record.time) },
    { record.finished and "Took" or "So far", figures.duration(last - record.time) },
    { "Ended", record.finished and date(record.finished) or "not yet, when this was written" },
    { "Hosts", figures.number(#record.hosts) .. (#record.waves > 1 and " in " .. sizes_of(record) or "") },
    { "Dispatcher", in_words(record.caller) },
    { "Program", in_words(record.program) },
    { "Options", in_words(record.options) },
  }
end

local function add_facts(out, record)
  out[#out + 1] = '<dl class="facts">'
  for _, fact in ipairs(facts(record)) do
    if fact[2] then out[#out + 1] = ("<div><dt>%s</dt><dd>%s</dd></div>"):format(fact[1], markup.escape(fact[2])) end
  end
  out[#out + 1] = "</dl>"
end

local function add_summary(out, record)
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

-- ---- timeline and waves ----

local function wave_counts(record, names)
  local counts, texts = {}, {}
  for _, name in ipairs(names) do
    local state = state_of(record.by_host[name])
    counts[state] = (counts[state] or 0) + 1
  end
  for i = #ORDER, 1, -1 do
    local state = ORDER[i]
    if counts[state] then texts[#texts + 1] = ("%s %s"):format(figures.number(counts[state]), title_of(state)) end
  end
  return table.concat(texts, ", ")
end

local function add_wave_table(out, record)
  out[#out + 1] = '<details><summary>The waves in figures</summary>\n<table class="waves"><thead><tr>'
    .. '<th scope="col">Wave</th><th scope="col">Hosts</th><th scope="col">Began after</th><th scope="col">Took</th>'
    .. '<th scope="col">Outcomes</th></tr></thead><tbody>'
  for number, names in ipairs(record.waves) do
    local start, length = timeline.wave(record, number)
    out[#out + 1] = ("<tr><td>%d</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>"):format(
      number, figures.number(#names), start and figures.duration(start - record.time) or "–",
      start and figures.duration(length) or "–", wave_counts(record, names))
  end
  out[#out + 1] = "</tbody></table></details>"
end

local function add_timeline(out, record, ids)
  local html, legend = timeline.html(record, ids)
  out[#out + 1] = '<section><h2>Timeline</h2>'
  out[#out + 1] = html
  out[#out + 1] = ('<p class="legend">%s</p>'):format(legend)
  if #record.waves > 1 then add_wave_table(out, record) end
  out[#out + 1] = "</section>"
end

-- ---- outputs ----

local function add_parts(out, group, limit)
  local parts, all = host_output.shorten(group.parts, limit)
  for _, part in ipairs(parts) do
    out[#out + 1] = ("<h3>%s</h3><pre>%s</pre>"):format(markup.escape(part[1]), markup.escape(part[2]))
  end
  if not parts[1] then out[#out + 1] = '<p class="quiet">No output.</p>' end
  if all then
    out[#out + 1] = ('<p class="quiet">These are the first %s of %s. All of it: <code>harp job result %s</code></p>'):format(
      figures.bytes(limit), figures.bytes(all), markup.html(group.hosts[1].job or "ID"))
  end
end

-- Its last part in a line: the value, or the last that there is.
local function preview(group)
  local part = group.parts[#group.parts]
  if not part then return "no output" end
  local host = group.hosts[1]
  if host.message and host.outcome ~= "ok" then part = group.parts[1] end
  return markup.html(markup.beginning(part[2], 160))
end

local function names_of(hosts)
  local names = {}
  for i, host in ipairs(hosts) do names[i] = markup.html(host.name) end
  return table.concat(names, ", ")
end

local function add_group(out, group, limit)
  out[#out + 1] = ('<details class="group"><summary><b>%s</b>%s<code>%s</code></summary>\n<p>%s</p><div id="%s">'):format(
    figures.count(#group.hosts, "host"), badge(state_of(group.hosts[1])), preview(group), names_of(group.hosts),
    group.id)
  add_parts(out, group, limit)
  out[#out + 1] = "</div></details>"
end

-- "1,996 hosts: the same; 3 differ."
local function how_alike(shared, alone)
  if not shared[1] then return "No two hosts said the same." end
  local texts = {}
  for i, group in ipairs(shared) do
    if i <= 3 then
      texts[i] = ("%s said the same%s"):format(figures.count(#group.hosts, "host"), i > 1 and " as each other" or "")
    end
  end
  if #shared > 3 then texts[4] = ("there are %s more such groups"):format(figures.number(#shared - 3)) end
  if alone > 0 then texts[#texts + 1] = ("what %s said is no other's"):format(figures.count(alone, "host")) end
  return table.concat(texts, "; ") .. "."
end

local function list_alone(groups, ids)
  local links = {}
  for _, group in ipairs(groups) do
    local host = group.hosts[1]
    if not group.id then
      if #links == 40 then links[41] = "…" break end
      links[#links + 1] = ('<a href="#%s">%s</a>'):format(ids[host.name], markup.html(host.name))
    end
  end
  return table.concat(links, ", ")
end

local function add_groups(out, groups, ids, limit)
  local shared, alone = {}, 0
  for _, group in ipairs(groups) do
    if group.id then shared[#shared + 1] = group else alone = alone + 1 end
  end
  out[#out + 1] = ('<section><h2>Outputs</h2><p>%s</p><div class="groups">'):format(how_alike(shared, alone))
  for i, group in ipairs(shared) do
    if i == GROUPS_SHOWN + 1 then
      out[#out + 1] = ("<details><summary>%s more groups</summary>"):format(figures.number(#shared - GROUPS_SHOWN))
    end
    add_group(out, group, limit)
  end
  if #shared > GROUPS_SHOWN then out[#out + 1] = "</details>" end
  out[#out + 1] = "</div>"
  if shared[1] and alone > 0 then
    out[#out + 1] = ('<p class="others">No other’s: %s</p>'):format(list_alone(groups, ids))
  end
  out[#out + 1] = "</section>"
end

-- ---- the hosts ----

-- The grave first, each in the order of the run.
local function in_order(record)
  local list, at = {}, {}
  for i, name in ipairs(record.hosts) do
    list[i], at[name] = record.by_host[name], i
  end
  table.sort(list, function(a, b)
    local first, second = RANK[state_of(a)], RANK[state_of(b)]
    if first ~= second then return first < second end
    return at[a.name] < at[b.name]
  end)
  return list
end

local function calls_of(host)
  local calls = {}
  for _, call in pairs(host.calls) do calls[#calls + 1] = call end
  table.sort(calls, function(a, b) return a.time < b.time end)
  local texts = {}
  for i, call in ipairs(calls) do
    texts[i] = ("%s <code>%s</code>"):format(markup.html(tostring(call.procedure or "call")),
      call.job and markup.html(call.job) or call.refused and "not accepted" or "not known to be accepted")
  end
  if not texts[1] and host.job then texts[1] = ("job <code>%s</code>"):format(markup.html(host.job)) end
  return texts[1] and ('<p class="jobs">%s</p>'):format(table.concat(texts, "<br>")) or ""
end

local function add_output(out, host, group, limit)
  out[#out + 1] = "<details><summary>output</summary><div>" .. calls_of(host)
  if group.id then
    out[#out + 1] = ('<p><a class="same" href="#%s">The same as %s</a></p>'):format(
      group.id, figures.count(#group.hosts - 1, "other host"))
  else
    add_parts(out, group, limit)
  end
  out[#out + 1] = "</div></details>"
end

-- On a phone: beside the duration.
local function besides(record, host)
  local texts = {}
  if #record.waves > 1 then texts[1] = ("wave %d"):format(host.wave) end
  if host.attempts > 1 then texts[#texts + 1] = ("%d attempts"):format(host.attempts) end
  return texts[1] and (' data-more="%s"'):format(table.concat(texts, " · ")) or ""
end

local function message_of(host)
  if not host.message or state_of(host) == "ok" then return "" end
  return markup.escape(markup.beginning(markup.line(tostring(host.message)), 300))
end

local function add_host(out, record, host, id, group, limit)
  local state = state_of(host)
  local stop = host.stop or host.state == "running" and record.latest
  local length = host.start and stop and stop - host.start
  out[#out + 1] = ('<tr id="%s" data-o="%s"><th scope="row">%s</th><td data-v="%d">%s</td><td class="f" data-v="%.3f"%s>%s</td>'
    .. '<td class="f" data-v="%d">%s</td><td class="f" data-v="%d">%d</td><td class="m">%s</td>'):format(
    id, state, markup.html(host.name), RANK[state], badge(state), length or -1, besides(record, host),
    length and figures.duration(length) or "–", host.attempts, host.attempts > 0 and host.attempts or "–",
    host.wave, host.wave, message_of(host))
  if group then
    out[#out + 1] = '<td class="more">'
    add_output(out, host, group, limit)
    out[#out + 1] = "</td>"
  end
  out[#out + 1] = "</tr>"
end

local function add_button(out, value, title, count, is_pressed)
  out[#out + 1] = ('<button type="button" value="%s" aria-pressed="%s">%s %s</button>'):format(
    value, is_pressed and "true" or "false", title, figures.number(count))
end

local function add_controls(out, record)
  out[#out + 1] = '<div class="controls" hidden><label><span class="hidden-label">Search names, messages and outputs</span>'
    .. '<input type="search" placeholder="Search names, messages, outputs" autocomplete="off" spellcheck="false"></label>'
    .. '<div role="group" aria-label="Which hosts are shown">'
  local failed = count_failed(record)
  add_button(out, "all", "all", #record.hosts, true)
  if failed > 0 then add_button(out, "failed", "failed", failed) end
  for _, state in ipairs(ORDER) do
    local count = record.counts[state] or 0
    if count > 0 then add_button(out, state, title_of(state), count) end
  end
  out[#out + 1] = '</div><p class="shown" role="status"></p></div>'
end

local function add_hosts(out, record, ids, group_of, limit)
  out[#out + 1] = "<section><h2>Hosts</h2>"
  add_controls(out, record)
  out[#out + 1] = '<table class="hosts"><thead><tr><th scope="col">Host</th><th scope="col">Outcome</th>'
    .. '<th scope="col" class="f">Duration</th><th scope="col" class="f">Attempts</th><th scope="col" class="f">Wave</th>'
    .. '<th scope="col">Message</th><th scope="col"><span class="hidden-label">Output</span></th></tr></thead><tbody>'
  for _, host in ipairs(in_order(record)) do add_host(out, record, host, ids[host.name], group_of[host], limit) end
  out[#out + 1] = "</tbody></table></section>"
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
  if groups[1] then add_groups(out, groups, ids, limit) end
  add_hosts(out, record, ids, group_of, limit)
  out[#out + 1] = ('<footer>Written by harp, %s.</footer>\n</main>\n<script nonce="%s">\n%s</script>\n</body>\n</html>\n'):format(
    date(os.time()), nonce, page.SCRIPT)
  return table.concat(out, "\n")
end

--- Writes that page to a file, all of it or nothing. Raises a UsageError of
-- type "file" when it cannot.
function report.write(path, record) replace_file(path, report.html(record), "the report") end

return report
