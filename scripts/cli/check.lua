--- harp check

local outcome = require "harp.outcome"

-- What scripts, and files of procedures, have besides.
local OF_HARP = { arg = true, repl = true, procedure = true, stream = true, command = true }

-- What the script assigns outside of functions it means to have; and what it
-- looks for it knows to be missing elsewhere.
local function defined_in(uses)
  local names = {}
  for _, use in ipairs(uses) do
    if use.what == "ask" or use.what == "set" and use.is_main then names[use.name] = "meant" end
    if use.what == "set" then names[use.name] = names[use.name] or "somewhere" end
  end
  return names
end

local function is_known(name) return _G[name] ~= nil or OF_HARP[name] end

local function warning_of(use, defined)
  if use.what == "harp" then
    return require("harp")[use.name] == nil and ("harp has no '%s'"):format(use.name) or nil
  end
  if is_known(use.name) or defined[use.name] == "meant" then return nil end
  if use.what == "set" then
    return ("'%s' becomes a global in a function: is `local` missing?"):format(use.name)
  end
  if not defined[use.name] then return ("'%s' is no global of Lua's, harp's or this script's"):format(use.name) end
end

-- The same is said once.
local function print_warnings(path, uses)
  local defined, said, count = defined_in(uses), {}, 0
  for i, use in ipairs(uses) do use.place = i end
  table.sort(uses, function(a, b)
    if a.line ~= b.line then return a.line < b.line end
    return a.place < b.place
  end)
  for _, use in ipairs(uses) do
    local warning = warning_of(use, defined)
    if warning and not said[warning] then
      said[warning], count = true, count + 1
      print(("%s:%d: warning: %s"):format(path, use.line, warning))
    end
  end
  return count
end

-- Returns the numbers of errors and of warnings.
local function check(path)
  local chunk, reason = loadfile(path ~= "-" and path or nil, "t")
  if chunk then return 0, print_warnings(path, require("harp.cli.globals").uses(chunk)) end
  local text, is_placed = reason:gsub("^(.-:%d+:)", "%1 error:", 1)
  print(is_placed == 1 and text or ("%s: error: %s"):format(path, reason))
  return 1, 0
end

return {
  synopsis = "SCRIPT…",
  purpose = "look for mistakes in scripts, without running them",
  details = [=[
Compiles each script, and warns of globals that are neither Lua's nor harp's
nor assigned by the script itself outside of functions, and of names that the
module harp does not have. - is standard input. Exit status: 0 clean, 1 a script
does not compile; warnings are for the reader, unless --strict makes them 1, too.]=],
  examples = {
    { "harp check fleet.lua", "prints `fleet.lua:12: warning: …` for what looks wrong" },
    { "harp check --strict *.lua", "fails if there is anything to say" },
  },
  define = function(parser)
    parser:argument "script":args "+":description "A file of Lua."
    parser:flag "--strict":description "Warnings fail, too."
  end,
  run = function(options)
    local errors, warnings = 0, 0
    for _, path in ipairs(options.script) do
      local failed, warned = check(path)
      errors, warnings = errors + failed, warnings + warned
    end
    if errors > 0 or options.strict and warnings > 0 then return outcome.SCRIPT_ERROR end
  end,
}
