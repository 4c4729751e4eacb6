--- What was run, as people may see it: a page, and lines of JSON, are for more
-- of them than the journal is, which has it whole.

local core = require "harp.core"
local redact = require "harp.redaction"
local show = require "harp.cli.show"

local BLOT = "***"

-- A word; of one that is JSON also what is in it.
local function shown(word)
  local well, v = pcall(core.decode, word)
  if not well or type(v) ~= "table" then return word end
  return show.json(core.decode(redact(v, {})))
end

-- "token=***", and "--token ***".
local function shown_words(words)
  local list, is_secret = {}, false
  for i, word in ipairs(words) do
    word = tostring(word)
    local before, name, rest = word:match "^(%-*([%w_.-]+)=)(.*)$"
    if is_secret then
      list[i], is_secret = BLOT, false
    elseif name and core.names_secret(name) then
      list[i] = before .. BLOT
    else
      list[i] = (before or "") .. shown(rest or word)
      local flag = word:match "^%-+([%w_.-]+)$"
      is_secret = flag ~= nil and core.names_secret(flag)
    end
  end
  return core.array(list)
end

--- The same as it was given, a text or { script | command, arguments }, but for
-- what looks like a secret by its name.
return function(program)
  if type(program) ~= "table" or type(program.arguments) ~= "table" then return program end
  local copy = {}
  for name, v in pairs(program) do copy[name] = v end
  copy.arguments = shown_words(program.arguments)
  return copy
end
