--- The hosts that a selection (harp.batch.hosts) means here: with the groups of
-- the configuration, and the runs that have a journal. `list` returns the names
-- that globs look at; `what` says which those are, if not the dispatcher's.

local hosts = require "harp.batch.hosts"
local journal = require "harp.batch.journal"
local settings = require "harp.settings"

return function(selection, list, what)
  return hosts.expand(selection, { list = list, what = what, groups = settings.groups(), run = journal.find })
end
