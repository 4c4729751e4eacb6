--- Tables that fit the terminal.

local output = require "harp.cli.output"
local show = require "harp.cli.show"
local width = require "harp.cli.width"

local tables = {}

local GAP = "  "
local NARROWEST = 8             -- of a column that gives way

local function padded(text, columns) return text .. (" "):rep(columns - width.of(text)) end

-- Those that somebody has something for.
local function used(columns, rows)
  local list = {}
  for _, column in ipairs(columns) do
    local is_used = not column.optional
    for _, row in ipairs(rows) do is_used = is_used or row[column.name] ~= nil end
    if is_used then list[#list + 1] = column end
  end
  return list
end

local function natural_widths(columns, rows)
  local widths = {}
  for i, column in ipairs(columns) do
    widths[i] = width.of(column.name)
    for _, row in ipairs(rows) do widths[i] = math.max(widths[i], width.of(row[column.name] or "")) end
  end
  return widths
end

-- The widest of those that may give way.
local function widest(columns, widths)
  local found
  for i, column in ipairs(columns) do
    if column.gives_way and widths[i] > NARROWEST and (not found or widths[i] > widths[found]) then found = i end
  end
  return found
end

-- How narrow a column can be, with the gap beside it.
local function least_of(column, columns)
  return #GAP + (column.gives_way and math.min(columns, NARROWEST) or columns)
end

-- Leaves out optional columns, the last first, while the others could not be
-- made to fit.
local function leave_out(columns, widths, room)
  local least = -#GAP
  for i, column in ipairs(columns) do least = least + least_of(column, widths[i]) end
  for i = #columns, 1, -1 do
    if least <= room then return end
    if columns[i].optional then
      least = least - least_of(columns[i], widths[i])
      table.remove(columns, i)
      table.remove(widths, i)
    end
  end
end

local function fit(columns, widths, room)
  local sum = #GAP * (#widths - 1)
  for _, columns_of_one in ipairs(widths) do sum = sum + columns_of_one end
  while sum > room do
    local at = widest(columns, widths)
    if not at then return end
    widths[at], sum = widths[at] - 1, sum - 1
  end
end

-- Colours come last: they take no room.
local function line_of(columns, widths, row, room, colours)
  local cells, left = {}, room
  for i, column in ipairs(columns) do
    if left <= 0 then break end
    local most = math.min(widths[i], left)
    local text = width.cut(row[column.name] or "", most)
    if i < #columns then text = padded(text, most) end
    cells[i] = colours(column.name, text)
    left = left - most - #GAP
  end
  return (table.concat(cells, GAP):gsub("%s+$", ""))
end

local function header(columns)
  local row = {}
  for _, column in ipairs(columns) do row[column.name] = column.name end
  return row
end

--- The lines of a table. columns: a list of { name =, gives_way = (it is cut
-- where room is short), optional = (left out when no row has it), colour =
-- function(text) → SGR parameters or nil }; rows: a list of tables of texts by
-- the columns' names.
function tables.lines(columns, rows)
  local room = output.size()
  for _, row in ipairs(rows) do
    for name, text in pairs(row) do row[name] = show.one_line(text) end
  end
  columns = used(columns, rows)
  local widths = natural_widths(columns, rows)
  leave_out(columns, widths, room)
  fit(columns, widths, room)
  local function bold(_, text) return output.colour("1", text) end
  local lines, by_name = { line_of(columns, widths, header(columns), room, bold) }, {}
  for _, column in ipairs(columns) do by_name[column.name] = column.colour end
  for _, row in ipairs(rows) do
    lines[#lines + 1] = line_of(columns, widths, row, room, function(name, text)
      local parameters = by_name[name] and by_name[name](row[name])
      return parameters and output.colour(parameters, text) or text
    end)
  end
  return lines
end

--- Prints what an iterator gives: a table on a terminal, else, or when `json`
-- is set, a line of JSON for each. describe(item) → a row; record(item) → the
-- fields of a line, as show.record has them.
function tables.print(iterator, list)
  if list.json or not output.is_terminal then
    for item in iterator do output.line(show.record(list.record(item))) end
    return
  end
  local rows = {}
  for item in iterator do rows[#rows + 1] = list.describe(item) end
  if not rows[1] then return output.note(list.command, list.none) end
  for _, line in ipairs(tables.lines(list.columns, rows)) do output.line(line) end
end

--- The option that all lists have.
function tables.json_option(parser)
  return parser:flag "--json":description "Lines of JSON, as they are where standard output is no terminal."
end

return tables
