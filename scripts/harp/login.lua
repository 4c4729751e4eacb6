--- Who to be for a peer: the options user, password and password_file that
-- callers and servers have in common.

local login = {}

login.OPTIONS = { user = true, password = true, password_file = true }

-- The first line of a file.
local function read_password(path)
  local file, reason = io.open(path)
  local password = file and file:read "l"
  if file then file:close() end
  if password then return password end
  return nil, "cannot read the password from " .. (reason or path .. ": it is empty")
end

local function is_text(v)
  return type(v) == "string" and v ~= "" and not v:find "\0" and utf8.len(v) ~= nil
end

--- The password that the options tell, if any; nil and what is wrong with it.
function login.password(options)
  if options.password ~= nil then return options.password end
  if options.password_file == nil then return nil end
  if not is_text(options.password_file) then return nil, "password_file must be the path of a file" end
  return read_password(options.password_file)
end

--- What is wrong with a user and a password; nil when they are good.
function login.complaint(user, password)
  if not is_text(user) then return "user must be a text" end
  if not is_text(password) then return "password must be a text" end
end

return login
