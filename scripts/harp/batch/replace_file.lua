--- Writes a file beside its place, and then puts it there: nobody sees half of
-- it, and an older one stays when it fails. It has the mode of the older one,
-- and where its path is a link, what that points to is replaced. What is no
-- file, such as a pipe or a device, is written to as it is.

local core = require "harp.core"
local random = require "harp.batch.random"

local function fail(what, path, reason)
  reason = tostring(reason):gsub("^.*: ", "")
  error(core.error{
    kind = "UsageError", type = "file", message = ("cannot write %s to %s: %s"):format(what, path, reason),
  }, 0)
end

-- Opened anew, what standard output goes to would lose what is in it.
local OWNER_WRITES = 128        -- octal 200

local OPEN = { ["/dev/stdout"] = io.stdout, ["/dev/stderr"] = io.stderr }

local function write(path, text)
  local open = OPEN[path]
  local file, reason = open, nil
  if not open then file, reason = io.open(path, "w") end
  if not file then return nil, reason end
  local well, complaint = file:write(text)
  local done, more = (open and file.flush or file.close)(file)
  return well and done, complaint or more
end

-- The file that a path means, which need not be there, and the mode of one that
-- is; nil for what is no file.
local function place_of(path)
  if OPEN[path] then return nil end
  local status = core.file_status(path)
  if not status then return path end
  if status.kind == "file" then return core.absolute_path(path), status.mode end
end

-- A new file beside that place, with that text: its name; or nil and why not.
local function write_beside(place, mode, text)
  local name = ("%s.%s"):format(place, random.hex(6))
  local well, reason = core.create_file(name, mode and mode | OWNER_WRITES)
  if not well then return nil, reason end
  well, reason = write(name, text)
  if well then return name end
  os.remove(name)
  return nil, reason
end

local function replace(place, mode, text)
  local name, reason = write_beside(place, mode, text)
  if not name then return nil, reason end
  local well
  well, reason = os.rename(name, place)
  if not well then os.remove(name) end
  return well, reason
end

local replace_file = {}

--- Could a file be written there, as far as one can see? Fails as write does. A
-- pipe is not opened: whoever reads it would see an end.
function replace_file.check(path, what)
  local place, mode = place_of(path)
  if place then
    local name, reason = write_beside(place, mode, "")
    if not name then fail(what, path, reason) end
    os.remove(name)
  elseif not OPEN[path] and core.file_status(path).kind == "directory" then
    fail(what, path, "Is a directory")
  end
end

--- `what` is what it is for people: "the report". Fails with a UsageError of
-- type "file".
function replace_file.write(path, text, what)
  local place, mode = place_of(path)
  local well, reason
  if place then well, reason = replace(place, mode, text) else well, reason = write(path, text) end
  if not well then fail(what, path, reason) end
end

return replace_file
