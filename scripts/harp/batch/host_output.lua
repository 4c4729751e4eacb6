--- What a host of a run has said, as texts for its report, and which hosts said
-- the same.

local core = require "harp.core"
local markup = require "harp.batch.markup"

local host_output = {}

local COLUMNS = 88              -- a value that fits is on one line
local DEEPEST = 100

-- ---- values ----

local function leaf(v)
  if type(v) == "string" then return core.encode(markup.clean(v)) end
  local well, text = pcall(core.encode, v)
  return well and text or core.encode(tostring(v))
end

local function names_of(object)
  local names = {}
  for name in pairs(object) do names[#names + 1] = name end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  return names
end

-- Calls `each(item, before)` for what is in an array or an object, in order.
local function members(v, each)
  if core.is_array(v) then
    for _, item in ipairs(v) do each(item, "") end
  else
    for _, name in ipairs(names_of(v)) do each(v[name], leaf(tostring(name)) .. ": ") end
  end
end

-- The text, and whether it is of one line: what fits is, the rest is indented.
local function lay_out(v, depth)
  if type(v) ~= "table" or next(v) == nil then return leaf(v), true end
  if depth == DEEPEST then return '"…"', true end
  local open, close = "{", "}"
  if core.is_array(v) then open, close = "[", "]" end
  local parts, length, is_flat = {}, depth * 2 + 2, true
  members(v, function(item, before)
    local text, flat = lay_out(item, depth + 1)
    parts[#parts + 1] = before .. text
    length, is_flat = length + #before + #text + 2, is_flat and flat
  end)
  if is_flat and length <= COLUMNS then return open .. table.concat(parts, ", ") .. close, true end
  local margin = "\n" .. ("  "):rep(depth + 1)
  return open .. margin .. table.concat(parts, "," .. margin) .. "\n" .. ("  "):rep(depth) .. close, false
end

--- A value as JSON, indented where it does not fit on a line. It is clean.
function host_output.json(v) return (lay_out(v, 0)) end

-- A text as it is, unless it would be taken for another value, or not be seen.
local function as_text(v)
  if type(v) ~= "string" or not v:find "%S" or #v < 1000 and pcall(core.decode, v) then return host_output.json(v) end
  return (markup.clean(v):gsub("\n+$", ""))
end

-- ---- of a host ----

local function packets_of(host)
  local lines = {}
  for i, packet in ipairs(host.packets) do lines[i] = as_text(packet) end
  local title = host.count > #lines and ("packets, the last %d of %d"):format(#lines, host.count) or "packets"
  return { title, table.concat(lines, "\n") }
end

local function message_of(host)
  local kind = host.type and host.type ~= "" and (" (%s)"):format(host.type) or ""
  return { "message" .. markup.line(kind), as_text(tostring(host.message)) }
end

local function value_of(host)
  if host.is_long then
    return { "value", ("It is too long to be kept here: harp job result %s"):format(host.job or "ID") }
  end
  return { "value", as_text(host.value) }
end

--- The parts that there are: a list of { title, text }, both clean.
function host_output.parts(host)
  local parts = {}
  if host.message then parts[#parts + 1] = message_of(host) end
  if host.count > 0 then parts[#parts + 1] = packets_of(host) end
  for _, name in ipairs(names_of(host.steps)) do
    parts[#parts + 1] = { markup.line("step " .. name), as_text(host.steps[name].value) }
  end
  if host.value ~= nil or host.is_long then parts[#parts + 1] = value_of(host) end
  return parts
end

--- The parts cut to so many bytes together; and how many there were, when some
-- are missing.
function host_output.shorten(parts, limit)
  local all, left, short = 0, limit, {}
  for _, part in ipairs(parts) do
    all = all + #part[2]
    if left > 0 then
      local text = markup.beginning(part[2], left)
      left = left - #text
      short[#short + 1] = { part[1], text }
    end
  end
  return short, all > limit and all or nil
end

-- ---- of all of them ----

local function key_of(host, parts)
  local words = { host.outcome or host.state, host.before or "" }
  for _, part in ipairs(parts) do
    words[#words + 1] = part[1]
    words[#words + 1] = part[2]
  end
  return table.concat(words, "\0")
end

local function size_of(parts)
  local size = 0
  for _, part in ipairs(parts) do size = size + #part[2] end
  return size
end

--- The hosts of a record by what they said, and how they ended: a list of
-- { hosts, parts, size }, the largest first, then in the order of the hosts. A
-- host that has said nothing, and whose turn has not come, is in none.
function host_output.groups(record)
  local groups, by_key = {}, {}
  for _, name in ipairs(record.hosts) do
    local host = record.by_host[name]
    local parts = host_output.parts(host)
    if parts[1] or host.state == "ended" and host.outcome ~= "not_reached" then
      local key = key_of(host, parts)
      local group = by_key[key]
      if not group then
        group = { hosts = {}, parts = parts, size = size_of(parts), at = #groups }
        by_key[key] = group
        groups[#groups + 1] = group
      end
      group.hosts[#group.hosts + 1] = host
    end
  end
  table.sort(groups, function(a, b)
    if #a.hosts ~= #b.hosts then return #a.hosts > #b.hosts end
    return a.at < b.at
  end)
  return groups
end

--- How much of a host's output fits when all of it together shall have so many
-- bytes, and none more than `most`. What hosts of a group said counts once, or
-- as often as they said it.
function host_output.limit(groups, budget, most, is_repeated)
  local limit = most
  while limit > 1024 do
    local sum = 0
    for _, group in ipairs(groups) do
      sum = sum + math.min(group.size, limit) * (is_repeated and #group.hosts or 1)
    end
    if sum <= budget then break end
    limit = limit // 2
  end
  return limit
end

return host_output
