--- Writes a file beside its place, and then puts it there: nobody sees half of
-- it, and an older one stays when it fails.

local core = require "harp.core"
local random = require "harp.batch.random"

local function fail(what, path, reason)
  reason = tostring(reason):gsub("^.*: ", "")
  error(core.error{
    kind = "UsageError", type = "file", message = ("cannot write %s to %s: %s"):format(what, path, reason),
  }, 0)
end

local function write(path, text)
  local file, reason = io.open(path, "w")
  if not file then return nil, reason end
  local well
  well, reason = file:write(text)
  local closed, complaint = file:close()
  if well and closed then return true end
  return nil, reason or complaint
end

local replace_file = {}

local function beside(path) return ("%s.%s"):format(path, random.hex(6)) end

--- Could a file be written there, as far as one can see? Fails as write does.
function replace_file.check(path, what)
  local name = beside(path)
  local well, reason = write(name, "")
  os.remove(name)
  if not well then fail(what, path, reason) end
end

--- `what` is what it is for people: "the report". Fails with a UsageError of
-- type "file".
function replace_file.write(path, text, what)
  local name = beside(path)
  local well, reason = write(name, text)
  if well then well, reason = os.rename(name, path) end
  if well then return end
  os.remove(name)
  fail(what, path, reason)
end

return replace_file
