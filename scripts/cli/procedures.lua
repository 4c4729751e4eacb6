--- harp procedures

local caller = require "harp.cli.caller"
local core = require "harp.core"
local introspection = require "harp.introspection"
local server = require "harp.cli.server"
local tables = require "harp.cli.table"

-- "NAME PARAMETER PARAMETER…", as it is called.
local function synopsis(procedure)
  local words = { procedure.name, table.unpack(procedure.params) }
  if procedure.vararg then words[#words + 1] = "…" end
  return table.concat(words, " ")
end

local function ask(options)
  if options.direct then return server.open(options.host, options):procedure(introspection.PROCEDURE)() end
  return caller.open(options):host(options.host):procedure(introspection.PROCEDURE)():get()
end

-- The list; a stock daemon has none to give.
local function list_of(options)
  local well, list = pcall(ask, options)
  if well then return list end
  if core.is_error(list, "RemoteError") and list.type == "no_such_procedure" then
    error(core.error{
      kind = "RemoteError", type = "unsupported_procedure",
      message = ("the daemon of %s does not tell what it has: stock ones do not"):format(options.host),
    }, 0)
  end
  error(list, 0)
end

local function items(list)
  local i = 0
  return function()
    i = i + 1
    return list[i]
  end
end

return {
  synopsis = "HOST",
  purpose = "list the procedures of a host",
  usage = "Usage: harp procedures [OPTION…] HOST",
  details = [[
The procedures that HOST offers to the dispatcher, or to you with --direct, with
their parameters and the first line of what is said of them. KIND is "stream"
for those that send packets before their result.]],
  examples = {
    { "harp procedures web01", "What can be called there." },
    { "harp procedures --json web01 | jq -r 'select(.name == \"count\").doc'", "All that is said of one." },
    { "harp procedures --direct --user me web01:4306", "Asked of the daemon itself." },
  },
  define = function(parser)
    parser:argument "host":argname "HOST":description "A host, as the dispatcher knows it."
    tables.json_option(parser)
    server.options(parser)
    caller.option(parser)
  end,
  run = function(options)
    server.check(options, {})
    tables.print(items(list_of(options)), {
      command = "procedures", none = options.host .. " has none for you", json = options.json,
      columns = {
        { name = "PROCEDURE", gives_way = true }, { name = "KIND", optional = true },
        { name = "WHAT IT DOES", gives_way = true, optional = true },
      },
      describe = function(procedure)
        return {
          PROCEDURE = synopsis(procedure), KIND = procedure.stream and "stream" or nil,
          ["WHAT IT DOES"] = procedure.doc and procedure.doc:match "[^\n]*" or nil,
        }
      end,
      record = function(procedure)
        return {
          { "name", procedure.name }, { "params", procedure.params }, { "vararg", procedure.vararg },
          { "stream", procedure.stream }, { "doc", procedure.doc },
        }
      end,
    })
  end,
}
