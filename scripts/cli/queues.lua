--- harp queues

local caller = require "harp.cli.caller"
local show = require "harp.cli.show"
local tables = require "harp.cli.table"

return {
  synopsis = "",
  purpose = "list the queues of the dispatcher",
  usage = "Usage: harp queues [OPTION…]",
  details = [[
The queues that have jobs now: how many may run at once, how many do, and how
many wait. A queue is shown as --queue of harp call and harp jobs takes it.]],
  examples = {
    { "harp queues", "All of them." },
    { "harp queues | jq 'select(.waiting > 100)'", "The long ones; not on a terminal it is lines of JSON." },
  },
  define = function(parser)
    tables.json_option(parser)
    caller.option(parser)
  end,
  run = function(options)
    tables.print(caller.open(options):queues(), {
      command = "queues", none = "no queue has a job", json = options.json,
      columns = {
        { name = "QUEUE", gives_way = true }, { name = "CONCURRENCY" }, { name = "RUNNING" }, { name = "WAITING" },
      },
      describe = function(queue)
        return {
          QUEUE = show.queue(queue.name), CONCURRENCY = tostring(queue.concurrency),
          RUNNING = tostring(queue.running), WAITING = tostring(queue.waiting),
        }
      end,
      record = function(queue)
        return {
          { "name", queue.name }, { "concurrency", queue.concurrency }, { "running", queue.running },
          { "waiting", queue.waiting },
        }
      end,
    })
  end,
}
