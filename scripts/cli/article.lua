--- What there is to say of a subcommand, or of harp, as an article: a list of
-- sections { title, block… }. A block is { text = }, a paragraph; { lines = },
-- to be left as they are; { term =, text = }; or { example =, text = }, a command
-- line. harp.cli.page prints it for the terminal, harp.cli.man as a manual page.

local groups = require "harp.cli.groups"
local main = require "harp.cli.main"
local names = require "harp.cli.names"
local outcome = require "harp.outcome"
local parts = require "harp.cli.parts"

local article = {}

-- ---- blocks ----

local function strip_common_indent(lines)
  local least = math.huge
  for _, line in ipairs(lines) do
    if line ~= "" then least = math.min(least, #line:match "^ *") end
  end
  for i, line in ipairs(lines) do lines[i] = line:sub(least + 1) end
end

-- Empty lines within what is left as it is belong to it.
local function close(blocks, block)
  if not block then return end
  if block.lines then
    while block.lines[#block.lines] == "" do table.remove(block.lines) end
    strip_common_indent(block.lines)
  end
  blocks[#blocks + 1] = block
end

-- Adds a text's paragraphs; lines that are indented are left as they are.
local function add_text(blocks, text)
  local block
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    if line:find "^ " then
      if not (block and block.lines) then close(blocks, block) block = { lines = {} } end
      block.lines[#block.lines + 1] = line
    elseif line == "" then
      if block and block.lines then block.lines[#block.lines + 1] = "" else close(blocks, block) block = nil end
    elseif block and block.text then
      block.text = block.text .. " " .. line
    else
      close(blocks, block)
      block = { text = line }
    end
  end
  close(blocks, block)
end

local function terms(list)
  local blocks = {}
  for i, item in ipairs(list) do blocks[i] = { term = item.label, text = item.text } end
  return blocks
end

-- A command may say of exit statuses what is its own: a paragraph that begins
-- so belongs into the section of that name.
local function take_statuses(blocks)
  for i, block in ipairs(blocks) do
    if block.text and block.text:find "^Exit status" then return { table.remove(blocks, i) } end
  end
end

local function add(sections, title, blocks)
  if #blocks == 0 then return end
  table.insert(blocks, 1, title)
  sections[#sections + 1] = blocks
end

-- ---- what is around harp ----

-- Those of a command without a caller have nothing to do with calls.
local function statuses(last)
  local list = {}
  for code = 0, last do list[#list + 1] = { label = tostring(code), text = outcome.MEANINGS[code] } end
  return list
end

-- `of`: of this command alone, or of those that make "calls".
local ENVIRONMENT = {
  { label = "HARP_CALLER", of = "calls", text = "The dispatcher that is asked, where --caller names none: "
    .. "host, host:port, [v6]:port, unix:/path, or a name of the configuration." },
  { label = "HARP_CALLER_USER, HARP_CALLER_PASSWORD", of = "calls",
    text = "Who asks, for a dispatcher that is reached by TLS and wants to know." },
  { label = "HARP_USER, HARP_PASSWORD", of = "calls", text = "The same for a daemon that is called directly." },
  { label = "HARP_DEBUG", of = "calls", text = "1 is --debug of a script, too: every line to and from servers." },
  { label = "HARP_LOG", of = "run", text = "What harp.log of a script shows: debug, info, warning, error, off." },
  { label = "XDG_CONFIG_HOME, XDG_STATE_HOME", text = "Where FILES of the user are, instead of ~/.config and "
    .. "~/.local/state." },
  { label = "COLUMNS", text = "How wide help is where standard output is no terminal; default 80." },
  { label = "NO_COLOR", of = "calls", text = "Nothing is coloured when it is set." },
}

local FILES = {
  { label = "~/.config/harp/config.lua, /etc/harp/config.lua", of = "calls",
    text = "Callers and daemons by their names, and how they are trusted; the former counts before the latter." },
  { label = "~/.local/state/harp/known_hosts", text = "The keys of servers, each remembered at the first contact." },
  { label = "~/.local/state/harp/local", of = "local", text = "What harp local keeps, and its logs." },
  { label = "~/.local/state/harp/history", of = "repl", text = "What was typed at the prompt." },
  { label = "~/.config/harp/procedures.lua, ~/.config/harp/procedures.d/*.lua", of = "local",
    text = "What the daemon of harp local offers." },
  { label = "/etc/harp/daemon.lua, /etc/harp/dispatcher.lua", text = "The configurations of the servers, as the "
    .. "units for systemd expect them." },
}

-- Those of a command, or of all without a name.
local function surroundings(list, name, calls)
  local chosen = {}
  for _, item in ipairs(list) do
    if not name or not item.of or item.of == name or calls and item.of == "calls" then chosen[#chosen + 1] = item end
  end
  return terms(chosen)
end

local function makes_calls(name, list)
  for _, option in ipairs(list.options) do
    if option.names[#option.names] == "--caller" then return true end
  end
  return name == "run" or name == "repl"
end

--- Names of the subcommands that people are told of, in their order.
function article.commands()
  local list = {}
  for _, name in ipairs(names) do
    if not main.command(name).hidden then list[#list + 1] = name end
  end
  return list
end

--- The groups, each { title, name… }, of those that there are.
function article.groups()
  local left, list = {}, {}
  for _, name in ipairs(article.commands()) do left[name] = true end
  for _, group in ipairs(groups) do
    local there = { group[1] }
    for i = 2, #group do
      if left[group[i]] then there[#there + 1], left[group[i]] = group[i], nil end
    end
    if there[2] then list[#list + 1] = there end
  end
  local others = { "Others" }
  for _, name in ipairs(article.commands()) do
    if left[name] then others[#others + 1] = name end
  end
  if others[2] then list[#list + 1] = others end
  return list
end

-- The other pages of a command's group.
local function see_also(name)
  local list = { "harp(1)" }
  for _, group in ipairs(article.groups()) do
    local mates, is_in = {}, false
    for i = 2, #group do
      if group[i] == name then is_in = true else mates[#mates + 1] = ("harp-%s(1)"):format(group[i]) end
    end
    if is_in then table.move(mates, 1, #mates, #list + 1, list) end
  end
  return { { text = table.concat(list, ", ") } }
end

-- ---- articles ----

local function examples(command)
  local blocks = {}
  for i, example in ipairs(command.examples or {}) do
    blocks[i] = { example = example[1], text = example[2] }
  end
  return blocks
end

-- Actions within a command: its usage, and its own options below.
local function actions(list)
  local blocks = {}
  for _, action in ipairs(list) do
    blocks[#blocks + 1] = { term = action.label, text = action.text }
  end
  return blocks
end

--- Of a subcommand: { name, purpose, usage, sections }; width: of the usage.
function article.of(name, width)
  local command, list = main.command(name), parts.of(name, width)
  local sections, about = {}, {}
  add_text(about, command.details or "")
  local own_statuses = take_statuses(about)
  add(sections, "Description", about)
  add(sections, "Arguments", terms(list.arguments))
  add(sections, "Commands", actions(list.actions))
  add(sections, "Options", terms(list.options))
  add(sections, "Examples", examples(command))
  local calls = makes_calls(name, list)
  add(sections, "Exit status", own_statuses or terms(statuses(calls and #outcome.MEANINGS or outcome.USAGE)))
  add(sections, "Environment", surroundings(ENVIRONMENT, name, calls))
  add(sections, "Files", surroundings(FILES, name, calls))
  add(sections, "See also", see_also(name))
  return { name = "harp-" .. name, purpose = command.purpose, usage = list.usage, sections = sections }
end

--- What to try first: { command line, what it does } of those that there are.
article.FIRST = {
  { "harp local --background", "starts a dispatcher and a daemon for you alone", needs = "local" },
  { "harp call localhost uptime", "calls a procedure there, and prints its result", needs = "call" },
  { "harp procedures localhost", "what else there is to call", needs = "procedures" },
  { "harp", "the prompt: the same in Lua, with Tab to complete", needs = "repl" },
}

article.ABOUT = [=[
Remote calls you can script. A call is a job with an id: it outlives the script that made it, its results
can be followed live and read again later, and hundreds of hosts are one loop in Lua. One program is the
scripts' runtime, the dispatcher that keeps the jobs, and the daemon that runs procedures on each machine.]=]

article.USAGE = [=[
harp COMMAND [ARG…]
harp [OPTION…] SCRIPT [ARG…]
harp [OPTION…] -e CODE [ARG…]
harp]=]

--- Of harp itself.
function article.of_harp()
  local sections, about = {}, {}
  add_text(about, article.ABOUT)
  about[#about + 1] = { text = "What is no command is a script, as for harp run; without anything, on a terminal, "
    .. "it is the prompt." }
  add(sections, "Description", about)
  for _, group in ipairs(article.groups()) do
    local blocks = {}
    for i = 2, #group do
      blocks[#blocks + 1] = { term = ("harp-%s(1)"):format(group[i]), text = main.command(group[i]).purpose }
    end
    add(sections, group[1], blocks)
  end
  add(sections, "Examples", examples{ examples = article.FIRST })
  add(sections, "Exit status", terms(statuses(#outcome.MEANINGS)))
  add(sections, "Environment", surroundings(ENVIRONMENT))
  add(sections, "Files", surroundings(FILES))
  local pages = {}
  for i, name in ipairs(article.commands()) do pages[i] = ("harp-%s(1)"):format(name) end
  add(sections, "See also", { { text = table.concat(pages, ", ") } })
  return { name = "harp", purpose = "remote calls you can script", usage = article.USAGE, sections = sections }
end

return article
