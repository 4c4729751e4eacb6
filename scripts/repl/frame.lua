--- The locals of a function that runs, for a prompt in it: they are there in
-- the prompt's scope, and what is assigned to them there is written back.

local Frame = {}
Frame.__index = Frame

-- How deep the stack is, with the caller.
local function depth()
  local level = 2
  while debug.getinfo(level, "l") do level = level + 1 end
  return level - 2
end

-- Its level now, for the function that calls this.
local function level_of(frame) return depth() - frame.depth end

-- The ones that are active, the innermost of each name: name → index.
local function active(level)
  local indexes, i = {}, 1
  while true do
    local name = debug.getlocal(level + 1, i)
    if not name then return indexes end
    if not name:find "^%(" then indexes[name] = i end
    i = i + 1
  end
end

--- The frame of the function at a level (1 is who calls this), to be used in
-- the same coroutine while it runs.
function Frame.at(level)
  return setmetatable({ depth = depth() - level, known = {} }, Frame)
end

--- Makes its locals and upvalues known to a scope, or what has changed in them.
function Frame:show(scope)
  local level = level_of(self)
  local first = not self.scope
  if first then
    self.scope = scope
    scope:share(debug.getinfo(level, "f").func)
  end
  for name, i in pairs(active(level)) do
    local _, v = debug.getlocal(level, i)
    if first then
      scope:set(name, v)
      self.known[name] = scope.homes[name]
    elseif self.known[name] == scope.homes[name] then
      scope:assign(name, v)
    end
  end
end

--- Writes back what the prompt has assigned; a variable that it has declared
-- anew is its own.
function Frame:take_back()
  local level = level_of(self)
  for name, i in pairs(active(level)) do
    if self.known[name] == self.scope.homes[name] then debug.setlocal(level, i, (self.scope:get(name))) end
  end
end

return Frame
