#!/usr/bin/env harp
-- One log of many hosts: each new line, with its host before it.
--
--     harp --local --hosts 'web[01-06]' scripts/recipes/follow_log.lua --minutes 0.1 /etc/hosts 'web[01-06]'
--     harp scripts/recipes/follow_log.lua --lines 0 /var/log/nginx/error.log @web | grep -v favicon
--
-- Ctrl-C leaves it, and `harp attach` shows it again, with all lines that came
-- in between; a second Ctrl-C ends it on the hosts, as does the end of its time.

local harp = require "harp"
local batch = require "harp.batch"

local args = batch.args{
  "Follows one log on many hosts, until Ctrl-C or the end of its time.",
  { "path", "the log; {host} in it stands for the host's name" },
  { "--lines", "so many that are there already, of each host", type = "integer", default = 3 },
  { "--minutes", "how long", type = "number", default = 60 },
}

-- No queue: what goes on for an hour must not hold up the batches behind it.
local run = batch.run{
  name = "follow", options = args, timeout = args.minutes * 60, queue = false, concurrency = 1000,
  resume = false, out = io.stdout,
  step = function(host, name)
    local path = args.path:gsub("{host}", { ["{host}"] = name })
    return host.follow_file(harp.named{ path = path, lines = args.lines })
  end,
}

-- The end of its time is how it ends well.
os.exit(#run.timeout == #run.hosts and 0 or run.code)
