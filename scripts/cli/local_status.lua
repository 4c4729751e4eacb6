--- harp local --status; runtime/cli/local.c comes here.

local core = require "harp.core"
local harp = require "harp"
local outcome = require "harp.outcome"
local output = require "harp.cli.output"
local ranges = require "harp.batch.ranges"

-- "12: 1 running, 11 ended"
local function describe_jobs(address)
  local counts, all = {}, 0
  for job in harp.caller(address):jobs() do
    counts[job.state], all = (counts[job.state] or 0) + 1, all + 1
  end
  local parts = {}
  for _, state in ipairs{ "running", "queued", "ended" } do
    if counts[state] then parts[#parts + 1] = ("%d %s"):format(counts[state], state) end
  end
  return parts[1] and ("%d: %s"):format(all, table.concat(parts, ", ")) or "none yet"
end

local function jobs(address)
  local well, text = pcall(describe_jobs, address)
  return well and text or "its dispatcher does not answer: " .. tostring(text)
end

local function logs(stack)
  return stack.verbose and "are shown where it was started" or stack.directory .. "/{dispatcher,daemon}.log"
end

return {
  hidden = true,
  synopsis = "",
  purpose = "says whether a harp local runs",
  run = function()
    local stack, is_there = core.standing_stack()
    if not stack then
      output.line(is_there and "harp local: one starts or ends just now"
        or "harp local: none runs; harp local --background starts one")
      return outcome.SCRIPT_ERROR
    end
    local hosts = "localhost" .. (stack.hosts ~= "" and "," .. stack.hosts or "")
    for _, line in ipairs{
      ("harp local runs since %s (process %d)"):format(os.date("%Y-%m-%d %H:%M:%S", stack.since), stack.pid),
      "dispatcher  " .. stack.caller,
      "daemon      " .. stack.server,
      "logs        " .. logs(stack),
      "hosts       " .. table.concat(ranges.split(hosts), ", "),
      "jobs        " .. jobs(stack.caller),
    } do output.line(line) end
  end,
}
