--- The prompt: reads chunks, runs them, and prints what comes of them. Tasks
-- go on while it waits for a line.

local commands = require "harp.repl.commands"
local complete = require "harp.repl.complete"
local core = require "harp.core"
local history = require "harp.repl.history"
local new_scope = require "harp.repl.scope"
local run = require "harp.repl.run"
local show = require "harp.repl.show"

local main = {}

local PROMPT, MORE = "harp> ", "  ... "

-- ---- lines from a terminal ----

-- Puts what all candidates have in common in the line; lists them when that is
-- nothing new. A single one that says how it is called says so.
local function complete_line(session, text, cursor)
  local editor = session.editor
  local candidates, length = complete.candidates(session.scope, text:sub(1, cursor))
  if not candidates[1] then return end
  local common = complete.common(candidates)
  local typed = text:sub(cursor - length + 1, cursor)
  if #candidates > 1 and common == typed or #candidates == 1 and candidates[1].tells then
    editor:print(complete.list(candidates) .. "\n")
  end
  if common ~= typed then editor:insert(common, utf8.len(typed)) end
end

-- A line; false when it was given up by Ctrl-C, nil at the end.
local function edit_line(session, prompt)
  local editor = session.editor
  while true do
    local ok, what, text, cursor = pcall(editor.read, editor, prompt)
    if ok and what == "complete" then ok, what = pcall(complete_line, session, text, cursor) end
    if not ok then
      editor:stop()
      if run.is_interrupt(what) then return false end
      error(what, 0)
    elseif what == "line" then
      if text:find "%S" then editor:remember(text) end
      return text
    elseif what == "eof" then
      return nil
    end
  end
end

local function read_line(session, prompt)
  if session.editor then return edit_line(session, prompt) end
  if core.terminal(0) then io.write(prompt) io.flush() end
  return io.read "l"
end

-- ---- chunks ----

-- A chunk, of as many lines as it takes, and its function if it is a good one;
-- false when it was given up, nil at the end.
local function read_chunk(session)
  local text = read_line(session, PROMPT)
  while text do
    if text:find "^:%a" then return text end
    local fn, complaint = run.compile(session, text)
    if fn or not complaint:find "<eof>'?$" then return text, fn, complaint end
    local line = read_line(session, MORE)
    if line == nil and not session.editor then return text, nil, complaint end
    text = line and text .. "\n" .. line
    if line == nil then return false end
  end
  return text
end

local function step(session)
  local text, fn, complaint = read_chunk(session)
  if not text then return text end
  if session.editor then history.keep(text) end
  if text:find "^:%a" then return commands.run(session, text) end
  if not fn then
    io.write(show.paint("failure", complaint), "\n")
  else
    run.call(session, fn)
  end
  io.flush()
  return true
end

-- Until its end. What is not caught on the way is Ctrl-C, which came when
-- nothing ran.
local function loop(session)
  while true do
    local ok, went_on = pcall(step, session)
    if ok and went_on == nil then return end
    if not ok then
      if not run.is_interrupt(went_on) then error(went_on, 0) end
      if session.editor then session.editor:stop() end
    end
  end
end

-- ---- prompts ----

local Closing = {}
function Closing.__close(closing) closing.editor:close() end

local open                      -- the editor of the prompt that is open: those in it share it

-- One of the terminal, if it can be had.
local function new_editor()
  local ok, editor = pcall(core.editor)
  if ok then return editor end
  print(show.failure(editor))
end

local function with_editor(session)
  session.editor = open or new_editor()
  if open or not session.editor then return loop(session) end
  open = session.editor
  local _ <close> = setmetatable({ editor = open }, Closing)
  history.load(function(line) open:remember(line) end)
  local ok, failure = pcall(loop, session)
  open = nil
  if not ok then error(failure, 0) end
end

local function prepare()
  show.use_colour(core.has_colours(1))
  local help = require "harp.repl.help"
  if rawget(_G, "help") == nil then rawset(_G, "help", help.help) end
end

--- The prompt of `harp repl`: harp and rpc, the default caller, are there.
function main.start()
  local harp = require "harp"
  local ok, caller = pcall(harp.caller)
  prepare()
  rawset(_G, "harp", harp)
  if ok then rawset(_G, "rpc", caller) end
  if core.terminal(0) then
    print(("harp %s, %s; %s"):format(core.version, _VERSION, ok and "rpc is the " .. tostring(caller)
      or "there is no rpc: " .. tostring(caller)))
    print ":help tells more, Tab completes, Ctrl-D quits"
  end
  with_editor{ scope = new_scope() }
end

--- repl(): a prompt in the function that calls it, with its locals, to which it
-- can assign. Ctrl-D or :quit goes on with the function.
function main.here()
  if select(2, coroutine.running()) then
    error("harp.repl: it runs in a task; in stock lua5.4 inside of harp.run(function() … end)", 2)
  end
  local session = { scope = new_scope(), frame = require("harp.repl.frame").at(2) }
  prepare()
  with_editor(session)
end

return main
