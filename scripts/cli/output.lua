--- Standard output, and the terminal that it may be.

local core = require "harp.core"
local outcome = require "harp.outcome"

local output = {}

local EPIPE = 32

-- Lines are seen as they come, and a reader who has gone is noticed.
io.stdout:setvbuf "line"

--- Is somebody looking?
output.is_terminal = core.terminal(1) ~= nil

local has_colours = core.has_colours(1)

local function from_environment(name)
  local number = math.tointeger(tonumber(os.getenv(name) or ""))
  return number and number > 0 and number
end

--- Columns and rows that fit, asked for each time: windows change.
function output.size()
  local columns, rows = core.terminal(1)
  if not columns or columns == 0 then columns = from_environment "COLUMNS" or 80 end
  if not rows or rows == 0 then rows = from_environment "LINES" or 24 end
  return columns, rows
end

--- A text in a colour, where there are colours; SGR parameters such as "1;31".
function output.colour(parameters, text)
  if not has_colours then return text end
  return ("\27[%sm%s\27[0m"):format(parameters, text)
end

--- Writes a text; the program ends quietly when nobody reads it any more.
function output.write(text)
  local well, message, number = io.stdout:write(text)
  if well then return end
  if number == EPIPE then error(outcome.CLOSED_PIPE, 0) end
  io.stderr:write("harp: some of standard output is lost: ", message, "\n")
  error(outcome.SCRIPT_ERROR, 0)
end

function output.line(text) output.write(text .. "\n") end

--- Ends the line of the terminal on which a Ctrl-C has shown "^C", and no more.
function output.end_line()
  if core.terminal(2) then io.stderr:write "\n" end
end

--- A line for people, on standard error.
function output.note(command, text) io.stderr:write(("harp %s: %s\n"):format(command, text)) end

return output
