--- What a host of a run is, in its report: an outcome, or "running" or
-- "waiting" when it has none yet.

local outcomes = require "harp.batch.outcomes"

local states = {}

--- From the grave to the harmless, as people look for them.
states.ORDER = {
  "unknown", "unreachable", "timeout", "error", "exception", "cancelled", "running", "waiting", "not_reached", "ok",
}

--- The place of each in it.
states.RANK = {}
for rank, state in ipairs(states.ORDER) do states.RANK[state] = rank end

function states.of(host) return host.outcome or host.state end

--- What people call one.
function states.title(state) return outcomes.TITLES[state] or state end

--- The word, with its mark: HTML.
function states.badge(state) return ('<span class="o %s">%s</span>'):format(state, states.title(state)) end

--- Calls each(state, count) for those that there are; the harmless first.
function states.each(counts, each)
  for i = #states.ORDER, 1, -1 do
    local state = states.ORDER[i]
    if (counts[state] or 0) > 0 then each(state, counts[state]) end
  end
end

return states
