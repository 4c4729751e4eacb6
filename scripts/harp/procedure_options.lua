--- The options of a procedure: what each may be, and what it asks of the
-- process of a call. scripts/procedures/README.md says what they are for.

local daemon = require "harp.daemon"

-- Lock → {most, where}: whoever shares a lock has the same number of places.
local locks = {}

-- ---- what a value may be ----

local function is_text(v)
  return type(v) == "string" and v ~= "" and not v:find("\0", 1, true)
end

-- Of numbers, the last one of 32 bits means "as it is" to the system.
local function is_account(v)
  return is_text(v) or math.type(v) == "integer" and v >= 0 and v < 0xffffffff
end

-- The number as an integer, if it is one above 0.
local function whole(v)
  local n = type(v) == "number" and math.tointeger(v)
  return n and n > 0 and n or nil
end

-- A table that is a list with something in it.
local function is_list(v)
  if type(v) ~= "table" then return false end
  local count = 0
  for _ in pairs(v) do count = count + 1 end
  return count > 0 and count == #v
end

-- The texts of a list as a set; nil if it is none, or has others.
local function set_of(v)
  local set = {}
  if not is_list(v) then return nil end
  for _, text in ipairs(v) do
    if not is_text(text) then return nil end
    set[text] = true
  end
  return set
end

-- ---- each option: fills the procedure, or returns what is wrong ----

local check = {}

function check.doc(procedure, v)
  if type(v) ~= "string" or not utf8.len(v) then return "must be a string of UTF-8" end
  procedure.doc = v
end

-- The daemon's own user needs no change, and so no root.
function check.user(procedure, v)
  local terms = procedure.terms
  if not is_account(v) then return "must be the name or number of a user" end
  local name, uid, gid = daemon.account(v)
  if uid == daemon.uid() then return end
  if daemon.uid() ~= 0 then
    return ("only a daemon that runs as root can become %s; this one runs as uid %d"):format(name, daemon.uid())
  end
  terms.user, terms.uid, terms.gid = name, uid, terms.gid or gid
end

function check.group(procedure, v)
  local groups = {}
  for i, group in ipairs(is_list(v) and v or { v }) do
    if not is_account(group) then return "must be the name or number of a group, or a list of them" end
    groups[i] = daemon.group(group)
  end
  if daemon.uid() ~= 0 then
    return ("only a daemon that runs as root can change groups; this one runs as uid %d"):format(daemon.uid())
  end
  procedure.terms.gid, procedure.terms.groups = groups[1], groups
end

function check.timeout(procedure, v)
  if type(v) ~= "number" or not (v > 0 and v <= 1e9) then return "must be seconds above 0, at most 1e9" end
  procedure.terms.timeout = v
end

local function share(lock, most, where)
  local other = locks[lock]
  if other and other.most ~= most then
    return ("%q has %d place%s in %s, and %d here"):format(
      lock, other.most, other.most == 1 and "" or "s", other.where, most)
  end
  locks[lock] = other or { most = most, where = where }
end

local LONGEST_LOCK = 127        -- bytes: SLOT_LOCK_NAME in daemon/slots.h
local LOCK_MEMBERS = { [1] = true, [2] = true, wait = true }

function check.lock(procedure, v)
  local lock, terms = v, procedure.terms
  if v == true or type(v) == "string" then lock = { v } end
  if type(lock) ~= "table" then return 'must be true, a name, or {name, number, wait = boolean}' end
  for member in pairs(lock) do
    if not LOCK_MEMBERS[member] then return ("has no %q, only {name, number, wait = boolean}"):format(member) end
  end
  terms.lock = (lock[1] == nil or lock[1] == true) and procedure.name or lock[1]
  terms.lock_most = whole(lock[2] or 1)
  terms.lock_wait = lock.wait == nil or lock.wait
  if not is_text(terms.lock) or #terms.lock > LONGEST_LOCK then
    return ("its name must be a string of at most %d bytes"):format(LONGEST_LOCK)
  end
  if not terms.lock_most then return "its number must be a whole one above 0" end
  if type(terms.lock_wait) ~= "boolean" then return "wait must be true or false" end
  return share(terms.lock, terms.lock_most, procedure.source)
end

function check.env(procedure, v)
  if type(v) ~= "table" then return "must be a table of strings, or false, by name" end
  for name, text in pairs(v) do
    if not is_text(name) or name:find("=", 1, true) then
      return ("%s is no name of a variable"):format(type(name) == "string" and ("%q"):format(name) or tostring(name))
    elseif text ~= false and (type(text) ~= "string" or text:find("\0", 1, true)) then
      return ("%s must be a string, or false to unset it"):format(name)
    end
  end
  procedure.terms.env = v
end

local LIMITS = { memory = "bytes", cpu = "seconds", files = "descriptors" }

function check.limits(procedure, v)
  if type(v) ~= "table" then return "must be a table such as {memory = 256 << 20, cpu = 10, files = 64}" end
  for name, limit in pairs(v) do
    if not LIMITS[name] then return ("has no %q, only memory, cpu and files"):format(tostring(name)) end
    if not whole(limit) then return ("%s must be a whole number of %s above 0"):format(name, LIMITS[name]) end
    procedure.terms[name] = whole(limit)
  end
end

function check.users(procedure, v)
  procedure.users = set_of(v)
  if not procedure.users then return "must be a list of users, one at least" end
end

function check.secret(procedure, v)
  procedure.secret = set_of(v)
  if not procedure.secret then return "must be a list of parameters, one at least" end
  local known = { ["..."] = procedure.vararg }
  for _, parameter in ipairs(procedure.parameters) do known[parameter] = true end
  for _, name in ipairs(v) do
    if not known[name] then return ("there is no parameter %q"):format(name) end
  end
end

--- Fills in what `options` say of a procedure that has its name, parameters,
-- vararg and source ("file:line"): terms (what its process begins with: see
-- daemon/terms.h), and doc, users and secret (sets) where given. Raises
-- a string that names the option and says what is wrong.
return function(procedure, options)
  procedure.terms = {}
  for option, v in pairs(options) do
    if not check[option] then error(("there is no option %q"):format(tostring(option)), 0) end
    local _, complaint = pcall(check[option], procedure, v)     -- that there is no such user is raised
    if complaint then error(("option %s: %s"):format(option, complaint), 0) end
  end
end
