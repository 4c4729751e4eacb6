--- The table of a run's hosts in its report.

local figures = require "harp.batch.figures"
local markup = require "harp.batch.markup"
local report_outputs = require "harp.batch.report_outputs"
local outcomes = require "harp.batch.outcomes"
local states = require "harp.batch.report_states"

-- The grave first, each in the order of the run.
local function in_order(record)
  local list, at = {}, {}
  for i, name in ipairs(record.hosts) do
    list[i], at[name] = record.by_host[name], i
  end
  table.sort(list, function(a, b)
    local first, second = states.RANK[states.of(a)], states.RANK[states.of(b)]
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
    report_outputs.add_parts(out, group, limit)
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
  if not host.message or states.of(host) == "ok" then return "" end
  return markup.escape(markup.beginning(markup.line(tostring(host.message)), 300))
end

local ROW = '<tr id="%s" data-o="%s"><th scope="row">%s</th><td data-v="%d">%s</td>'
  .. '<td class="f" data-v="%.3f"%s>%s</td><td class="f" data-v="%d">%s</td><td class="f" data-v="%d">%d</td>'
  .. '<td class="m">%s</td>'

local function add_host(out, record, host, id, group, limit)
  local state = states.of(host)
  local stop = host.stop or host.state == "running" and record.latest
  local length = host.start and stop and stop - host.start
  out[#out + 1] = ROW:format(
    id, state, markup.html(host.name), states.RANK[state], states.badge(state), length or -1, besides(record, host),
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

local CONTROLS = [[
<div class="controls" hidden><label><span class="hidden-label">Search names, messages and outputs</span>
<input type="search" placeholder="Search names, messages, outputs" autocomplete="off" spellcheck="false"></label>
<div role="group" aria-label="Which hosts are shown">]]

local function add_controls(out, record)
  out[#out + 1] = CONTROLS
  local failed = outcomes.failures(record.counts)
  add_button(out, "all", "all", #record.hosts, true)
  if failed > 0 then add_button(out, "failed", "failed", failed) end
  for _, state in ipairs(states.ORDER) do
    local count = record.counts[state] or 0
    if count > 0 then add_button(out, state, states.title(state), count) end
  end
  out[#out + 1] = '</div><p class="shown" role="status"></p></div>'
end

local TABLE = [[
<table class="hosts"><thead><tr><th scope="col">Host</th><th scope="col">Outcome</th>
<th scope="col" class="f">Duration</th><th scope="col" class="f">Attempts</th><th scope="col" class="f">Wave</th>
<th scope="col">Message</th><th scope="col"><span class="hidden-label">Output</span></th></tr></thead><tbody>]]

--- Adds it to a list of pieces of HTML. ids: host → id; group_of: host → what it
-- and others said; at most `limit` bytes of that.
return function(out, record, ids, group_of, limit)
  out[#out + 1] = "<section><h2>Hosts</h2>"
  add_controls(out, record)
  out[#out + 1] = TABLE
  for _, host in ipairs(in_order(record)) do add_host(out, record, host, ids[host.name], group_of[host], limit) end
  out[#out + 1] = "</tbody></table></section>"
end
