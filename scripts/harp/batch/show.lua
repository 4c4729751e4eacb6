--- Who tells people of a batch, by what they asked for.

local show = {}

local Nobody = {}
Nobody.__index = Nobody

function Nobody.event() end

function Nobody.close() end

--- An observer. options.show: "auto" (somebody at a terminal sees how far it is,
-- elsewhere there are lines), "lines", "jsonl", or another word, for nothing;
-- options.out: the file that it writes to; default standard output for jsonl,
-- else standard error.
function show.choose(options)
  local how = options.show or "auto"
  if how == "jsonl" then return require "harp.batch.lines".json{ out = options.out or io.stdout } end
  if how ~= "auto" and how ~= "lines" then return setmetatable({}, Nobody) end
  local display, out = require "harp.batch.display", options.out or io.stderr
  if how == "auto" and display.area(out) then return display.new{ out = out } end
  return require "harp.batch.lines".text{ out = out }
end

return show
