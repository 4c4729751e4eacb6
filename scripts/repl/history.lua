--- What was typed, from prompt to prompt: $XDG_STATE_HOME/harp/history.

local core = require "harp.core"

local history = {}

local function path() return core.state_path "history" end

-- What makes a name one of a value: `password =`, `["password"] =`, as JSON has
-- it, and a string right behind it.
local VALUES = {
  "([%a_][%w_-]*)[\"']?%s*%]?%s*=", "([%a_][%w_-]*)[\"']%s*:", "([%a_][%w_-]*)%s*%(?%s*[\"']",
  "([%a_][%w_-]*)%s*%(?%s*%[=*%[",
}

--- Does a text carry a secret, by the names in it?
function history.has_secret(text)
  for _, pattern in ipairs(VALUES) do
    for name in text:gmatch(pattern) do
      if core.names_secret(name) then return true end
    end
  end
  return text:find "BEGIN [%u ]*PRIVATE KEY" ~= nil or text:find "://[^/%s:]+:[^/%s@]+@" ~= nil
end

--- Calls `each(line)` for what was typed, the oldest first.
function history.load(each)
  local file = path()
  if not file then return end
  for line in core.history_read(file):gmatch "[^\n]+" do each(line) end
end

--- Keeps the lines of a chunk, all of them or, where there is a secret, none.
-- That it cannot is no reason to stop.
function history.keep(text)
  local file = path()
  if not file or not text:find "%S" or history.has_secret(text) then return end
  local lines = {}
  for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line .. "\n" end
  core.history_append(file, table.concat(lines))
end

return history
