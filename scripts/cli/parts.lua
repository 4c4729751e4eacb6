--- What a subcommand's parser consists of, for help, manual pages and
-- completion: the one place that looks into argparse's objects.

local main = require "harp.cli.main"

local parts = {}

-- What kind of word stands where the usage has this name, or an option with
-- this name has one; what is not here can be anything.
local KINDS = {
  HOST = "host", PROC = "procedure", PROCEDURE = "procedure", ARG = "argument", ID = "job", COMMAND = "command",
  SELECTION = "selection", HOSTS = "selection", NAMES = "names", RUN = "run",
  FILE = "file", SCRIPT = "file", DIRECTORY = "directory", CALLER = "caller", ADDRESS = "caller",
}

-- "HOST" of "HOST[,HOST…]", of "<host>", and of "--host NAME".
local function kind(element)
  if element._maxargs == 0 then return nil end
  return KINDS[(element:_get_argname(1):match "%a+" or ""):upper()]
    or KINDS[(element._name:match "%a+" or ""):upper()]
end

local function argument(element)
  return {
    label = table.concat(element:_get_argument_list(), " "), text = element:_get_description(),
    kind = kind(element), choices = element._choices, most = element._maxargs, hidden = element._hidden,
  }
end

local function option(element)
  local list = argument(element)
  list.names, list.value, list.least = element._public_aliases, list.label, element._minargs
  list.label = table.concat(list.names, ", ") .. (list.value ~= "" and " " .. list.value or "")
  return list
end

local function visible(elements, describe)
  local list = {}
  for _, element in ipairs(elements) do
    local part = describe(element)
    if not part.hidden then list[#list + 1] = part end
  end
  return list
end

-- Of a parser within another one: `harp job status`.
local function action(parser)
  return {
    name = parser._name, label = parser:get_usage():match "^Usage: harp (.*)$", text = parser:_get_description(),
    hidden = parser._hidden, parts = parts.of_parser(parser),
  }
end

--- { arguments, options, actions }: lists of what is not hidden. Each has
-- label, text, kind (nil or one of those above), choices (nil or a list), most
-- (how many words); options have names, value (how it is shown) and least (how
-- many words follow) besides, and actions name and parts.
function parts.of_parser(parser)
  return {
    arguments = visible(parser._arguments, argument),
    options = visible(parser._options, option),
    actions = visible(parser._commands, action),
  }
end

--- The same of a subcommand, and its usage in lines of at most `width`.
function parts.of(name, width)
  local parser = main.parser(name)
  local list = parts.of_parser(parser:usage_max_width(width or 79))
  list.usage = parser:get_usage():gsub("^Usage:%s*", "")
  return list
end

return parts
