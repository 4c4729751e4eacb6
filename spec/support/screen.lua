--- A terminal with a person at it: programs run in tmux, keys are pressed, and
-- what counts is what is on the screen.

local harness = require "spec.support.harness"

local Screen = {}
Screen.__index = Screen

local screen, open = {}, {}

local function tmux(self, command)
  return harness.shell(("LC_ALL=C.UTF-8 tmux -u -S %s/tmux -f /dev/null %s 2>/dev/null"):format(
    self.directory, command))
end

--- Runs a command line. options: columns (80), rows (40), env ("NAME=value …"),
-- directory (where its state is kept, default a new one).
function screen.open(command, options)
  options = options or {}
  local self = setmetatable({ directory = harness.directory() }, Screen)
  self.state = options.directory or self.directory
  open[self] = true
  local file = harness.write(self.directory .. "/run", ("exec env HOME=%s XDG_STATE_HOME=%s %s %s"):format(
    self.state, self.state, options.env or "NO_COLOR=1", command))
  tmux(self, ("new-session -d -s it -x %d -y %d 'exec sh %s'"):format(options.columns or 80, options.rows or 40, file))
  return self
end

--- What is on the screen, without the empty rows at its end.
function Screen:text()
  return (tmux(self, "capture-pane -p -t it"):gsub("%s+$", ""))
end

--- The same with colours, as escape sequences.
function Screen:coloured_text() return (tmux(self, "capture-pane -p -e -t it")) end

--- Waits until a plain text is on the screen, which has no spaces at the end of
-- a row; an error with what is there when it does not come. Returns the screen.
function Screen:expect(text)
  return harness.sees(function() return self:text() end, (text:gsub(" +$", "")), "on the screen")
end

--- Types a text.
function Screen:type(text) tmux(self, "send-keys -t it -l " .. harness.quote(text)) end

--- Presses keys, as tmux calls them: "Enter", "Tab", "C-c".
function Screen:press(keys) tmux(self, "send-keys -t it " .. keys) end

--- Types a line, and waits for a text that comes of it.
function Screen:enter(line, text)
  tmux(self, ("send-keys -t it -l %s \\; send-keys -t it Enter"):format(harness.quote(line)))
  if text then return self:expect(text) end
end

--- Clears the screen; what is typed stays.
function Screen:clear()
  self:press "C-l"
  harness.eventually(function() return not self:text():find "\n" end)
end

function Screen:resize(columns, rows) tmux(self, ("resize-window -t it -x %d -y %d"):format(columns, rows)) end

--- The process that it runs.
function Screen:pid() return math.tointeger(tmux(self, "display-message -p -t it '#{pane_pid}'"):match "%d+") end

--- Has the program ended?
function Screen:is_over() return select(2, tmux(self, "has-session -t it")) ~= 0 end

function Screen:close()
  tmux(self, "kill-server")
  open[self] = nil
end

function screen.close_all()
  for self in pairs(open) do self:close() end
end

return screen
