--- Standard output, and the terminal that it may be.

local core = require "harp.core"
local outcome = require "harp.outcome"

local output = {}

local EPIPE = 32

--- Has something that others wrote there not arrived?
output.is_lost = false

--- A command's exit status, with that.
function output.status(status)
  return status == outcome.WELL and output.is_lost and outcome.SCRIPT_ERROR or status
end

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

--- Writes a text, which is seen at once; the program ends quietly when nobody
-- reads it any more. Only what is flushed is known to have arrived.
function output.write(text)
  local well, message, number = io.stdout:write(text)
  if well then well, message, number = io.stdout:flush() end
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
