--- Commands as procedures: argv with places for arguments, never a shell.
--
--     command("df", { "df", "-kP", "--", arg("path", "/") })
--     command("grep", { check = true }, { "grep", "--regexp=" .. arg "pattern", arg{ "file", dash = true } })
--
-- Each `arg` is a parameter, in order of first appearance, that takes a string,
-- a number or a boolean. An argument that begins a word must not begin with
-- "-", or a caller could add options: unless "--" stands before it, or the arg
-- says `dash = true`.
--
-- Its packets are the lines of standard output as they come; bytes that are not
-- UTF-8 become U+FFFD. Its result is { status, signal, stderr }, null where
-- there is none. Options, besides those of every procedure:
--
--     parse     "json": each line is decoded
--     check     true: a status other than 0 is an exception, "command_failed"
--     stderr    "result", "merge" or "log", as in harp.exec
--     cwd       the directory that it runs in

local core = require "harp.core"
local exec = require "harp.exec"

local command = {}

-- ---- words: literal text and arguments ----

local Word = { __name = "harp.arg" }

local function is_scalar(v)
  return type(v) == "string" or type(v) == "number" or type(v) == "boolean"
end

local function is_text(v)
  return type(v) == "string" and not v:find("\0", 1, true)
end

-- The parts of a word, or of what becomes one: strings, and tables that are
-- parameters: { name =, default =, dash = }. nil when it cannot be one.
local function parts_of(v)
  if getmetatable(v) == Word then return v end
  if type(v) == "number" then v = tostring(v) end
  if not is_text(v) then return nil end
  return v == "" and {} or { v }
end

function Word.__concat(a, b)
  local word = setmetatable({}, Word)
  for _, side in ipairs{ parts_of(a) or false, parts_of(b) or false } do
    if not side then error("an arg goes together with strings without NUL, numbers and args", 2) end
    table.move(side, 1, #side, #word + 1, word)
  end
  return word
end

--- arg(name [, default]) or arg{ name, default =, dash = }: the place of a
-- parameter; without a default its callers must give it.
function command.arg(name, default)
  local options = { name, default = default }
  if type(name) == "table" then options = name end
  for option in pairs(options) do
    if option ~= 1 and option ~= "default" and option ~= "dash" then
      error(("arg has no option %q"):format(tostring(option)), 2)
    end
  end
  local parameter = { name = options[1], default = options.default, dash = options.dash }
  if type(parameter.name) ~= "string" or not parameter.name:find "^[%a_][%w_]*$" then
    error("arg takes the name of a parameter", 2)
  elseif parameter.default ~= nil and not is_scalar(parameter.default) then
    error(("arg %q: the default must be a string, a number or a boolean"):format(parameter.name), 2)
  end
  return setmetatable({ parameter }, Word)
end

-- ---- what is made of them ----

local function parameters_of(words)
  local names, known = {}, {}
  for _, word in ipairs(words) do
    for _, part in ipairs(word) do
      local name = type(part) == "table" and part.name
      if name and not known[name] then
        known[name], names[#names + 1] = true, name
      end
    end
  end
  return names
end

local function refuse(format, ...)
  error(core.error{ kind = "CommandError", type = "invalid_argument_list", message = format:format(...) }, 0)
end

local function text_of(parameter, v)
  local name = parameter.name
  if v == nil then v = parameter.default end
  if v == nil then refuse("argument %q is missing", name) end
  if not is_scalar(v) then refuse("argument %q must be a string, a number or a boolean", name) end
  if type(v) ~= "string" then v = core.encode(v) end
  if not is_text(v) then refuse("argument %q has a NUL character", name) end
  return v
end

-- One word of the command's, of the arguments by name. Whose first character
-- is "-" must come from the command itself, or from an arg that may have it.
local function fill(word, arguments, may_begin_with_dash)
  local text, first = {}, nil
  for i, part in ipairs(word) do
    text[i] = type(part) == "string" and part or text_of(part, arguments[part.name])
    if not first and text[i] ~= "" then first = part end
  end
  text = table.concat(text)
  local given = type(first) == "table" and arguments[first.name] ~= nil
  if given and not first.dash and not may_begin_with_dash and text:find "^%-" then
    refuse('argument %q must not begin with "-"', first.name)
  end
  return text
end

-- null stands for an argument that is not there.
local function by_name(names, ...)
  local arguments = {}
  for i, name in ipairs(names) do
    local v = (select(i, ...))
    if v ~= core.null then arguments[name] = v end
  end
  return arguments
end

local function fill_all(words, arguments)
  local filled, behind_dashes = {}, false
  for i, word in ipairs(words) do
    filled[i] = fill(word, arguments, behind_dashes)
    if word[1] == "--" and #word == 1 then behind_dashes = true end
  end
  return filled
end

-- ---- running ----

-- What is not UTF-8 cannot be JSON.
local function readable(text)
  local parts, at = {}, 1
  while true do
    local length, bad = utf8.len(text, at)
    if length then break end
    parts[#parts + 1] = text:sub(at, bad - 1)
    at = bad + 1
  end
  parts[#parts + 1] = text:sub(at)
  return table.concat(parts, "\u{FFFD}")
end

local function check_status(name, result)
  if result.status == 0 then return end
  local how = result.signal == core.null and "exit status " .. result.status or "ended by SIG" .. result.signal
  local last = result.stderr:match "([^\n]+)\n*$"
  error(core.error{
    kind = "CommandError", type = "command_failed", data = result,
    message = last and ("%s: %s: %s"):format(name, how, last) or ("%s: %s"):format(name, how),
  }, 0)
end

local function run(words, options)
  local job <close> = exec{
    cwd = options.cwd, stderr = options.stderr, parse = options.parse, table.unpack(words),
  }
  for line in job do
    coroutine.yield(type(line) == "string" and readable(line) or line)
  end
  local result = job:result()
  result.signal, result.status = result.signal or core.null, result.status or core.null
  result.stderr = readable(result.stderr)
  if options.check then check_status(words[1], result) end
  return result
end

-- ---- registration ----

-- What an option must be, and whether it is.
local OPTIONS = {
  parse = { '"json"', function(v) return v == "json" end },
  check = { "true or false", function(v) return type(v) == "boolean" end },
  stderr = { '"result", "merge" or "log"', function(v) return v == "result" or v == "merge" or v == "log" end },
  cwd = { "a string without NUL", is_text },
}

-- Those of a command, and the others.
local function split_options(options)
  local ours, others = {}, {}
  for name, v in pairs(options) do
    local option = OPTIONS[name]
    if option and not option[2](v) then error(("option %s: must be %s"):format(name, option[1]), 0) end
    if option then ours[name] = v else others[name] = v end
  end
  return ours, others
end

local function words_of(argv)
  local words = {}
  for i, word in ipairs(argv) do
    words[i] = parts_of(word)
    if not words[i] then error(("word %d must be a string without NUL, a number or an arg"):format(i), 0) end
  end
  if #words == 0 then error("a command is a list of words", 0) end
  if #words[1] ~= 1 or type(words[1][1]) ~= "string" then error("its program must be a text, and no arg", 0) end
  for key in pairs(argv) do
    if not words[key] then error(("word %d is missing"):format(#words + 1), 0) end
  end
  return words
end

--- What a procedure needs of the words `argv` and `options`: its function, for
-- a coroutine whose yields are the packets; the names of its parameters; the
-- options that are not a command's; and a function that says why it would
-- refuse arguments, nil if it would not: they are an "invalid_argument_list",
-- which the first function raises. Raises a string that says what is wrong.
function command.make(argv, options)
  local words = words_of(argv)
  local names = parameters_of(words)
  local ours, others = split_options(options or {})
  local function refusal(...)
    local ok, raised = pcall(fill_all, words, by_name(names, ...))
    if not ok then return raised.message end
  end
  return function(...) return run(fill_all(words, by_name(names, ...)), ours) end, names, others, refusal
end

return command
