--- What the hosts of a run said, and which of them said the same, in its report.

local figures = require "harp.batch.figures"
local host_output = require "harp.batch.host_output"
local hosts = require "harp.batch.hosts"
local markup = require "harp.batch.markup"
local states = require "harp.batch.report_states"

local GROUPS_SHOWN, NAMES_SHOWN = 12, 12

local report_outputs = {}

--- Adds what a group of hosts said, at most `limit` bytes of it.
function report_outputs.add_parts(out, group, limit)
  local parts, all = host_output.shorten(group.parts, limit)
  for _, part in ipairs(parts) do
    out[#out + 1] = ("<h3>%s</h3><pre>%s</pre>"):format(markup.escape(part[1]), markup.escape(part[2]))
  end
  if not parts[1] then out[#out + 1] = '<p class="quiet">No output.</p>' end
  if all then
    local note = '<p class="quiet">These are the first %s of %s. All of it: <code>harp job result %s</code></p>'
    out[#out + 1] = note:format(
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

local function names_of(group_hosts)
  local names = {}
  for i, host in ipairs(group_hosts) do names[i] = host.name end
  return markup.html(hosts.fold(names))
end

local function add_group(out, group, limit)
  local opening = '<details class="group"><summary><b>%s</b>%s<code>%s</code></summary>\n<p>%s</p><div id="%s">'
  out[#out + 1] = opening:format(
    figures.count(#group.hosts, "host"), states.badge(states.of(group.hosts[1])), preview(group), names_of(group.hosts),
    group.id)
  report_outputs.add_parts(out, group, limit)
  out[#out + 1] = "</div></details>"
end

-- "197 hosts gave the same output; 3 differ."
local function how_alike(shared, alone)
  if not shared[1] then return "No two hosts gave the same output." end
  local count = 0
  for _, group in ipairs(shared) do count = count + #group.hosts end
  local text = ("%s hosts gave %s"):format(figures.number(count),
    shared[2] and ("one of %s outputs"):format(figures.number(#shared)) or "the same output")
  if alone == 0 then return (shared[2] and "" or "All ") .. text .. "." end
  return ("%s; %s %s."):format(text, figures.number(alone), alone == 1 and "differs" or "differ")
end

local function list_alone(groups, ids, alone)
  local links = {}
  for _, group in ipairs(groups) do
    local host = group.hosts[1]
    if not group.id and #links < NAMES_SHOWN then
      links[#links + 1] = ('<a href="#%s">%s</a>'):format(ids[host.name], markup.html(host.name))
    end
  end
  local more = alone > #links and (" and %s more"):format(figures.number(alone - #links)) or ""
  return table.concat(links, ", ") .. more
end

--- Adds the groups that have an id, and names the hosts that are alone in theirs.
function report_outputs.add_groups(out, groups, ids, limit)
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
    out[#out + 1] = ('<p class="others">Those that differ: %s</p>'):format(list_alone(groups, ids, alone))
  end
  out[#out + 1] = "</section>"
end

return report_outputs
