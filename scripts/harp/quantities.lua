--- Numbers as people write them: each function returns the number, or nil and
-- what is wrong with the text.

local command_line = require "harp.command_line"

local quantities = {}

local UNITS = { s = 1, m = 60, h = 3600, d = 86400 }

--- "1.5", "90s", "10m", "1h", "2d" → seconds, above 0.
function quantities.seconds(text)
  local number, unit = text:match "^([%d.]+)([smhd]?)$"
  local seconds = tonumber(number) and tonumber(number) * (UNITS[unit] or 1)
  if seconds and seconds > 0 then return seconds end
  return nil, ("'%s' is no time: write seconds, or such as 90s, 10m, 1h, 2d"):format(command_line.unmarked(text))
end

--- An integer from 1 on.
function quantities.count(text)
  local number = math.tointeger(tonumber(text) or "")
  if number and number > 0 then return number end
  return nil, ("'%s' is no number above 0"):format(command_line.unmarked(text))
end

--- An integer from 0 on.
function quantities.number(text)
  local number = math.tointeger(tonumber(text) or "")
  if number and number >= 0 then return number end
  return nil, ("'%s' is no number from 0 on"):format(command_line.unmarked(text))
end

return quantities
