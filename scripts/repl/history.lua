--- What was typed, from prompt to prompt: $XDG_STATE_HOME/harp/history.

local core = require "harp.core"

local history = {}

local function path()
  local home = os.getenv "XDG_STATE_HOME"
  if not home or home:sub(1, 1) ~= "/" then
    home = os.getenv "HOME"
    if not home or home:sub(1, 1) ~= "/" then return nil end
    home = home .. "/.local/state"
  end
  return home .. "/harp/history"
end

local WORDS = { "pass", "pwd", "secret", "token", "key", "cred", "auth", "cookie", "private" }

local function looks_secret(name)
  name = name:lower()
  for _, word in ipairs(WORDS) do
    if name:find(word, 1, true) then return true end
  end
  return false
end

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
      if looks_secret(name) then return true end
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
