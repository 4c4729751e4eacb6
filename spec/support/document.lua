--- What a document shows to be typed: the fenced snippets of one of its
-- sections, to be run as they stand.
--
-- A fence is ```sh, a session: lines with "$ " are commands, the lines below
-- one its output, where "…" stands for anything in a line and, alone, for any
-- further lines. Or it is ```lua, a script that a session runs: its first line
-- has its name, "-- NAME.lua". Others are of no kind that anybody knows, and an
-- error.

local document = {}

local function fail(line, text, ...) error(("line %d: %s"):format(line, text:format(...)), 0) end

-- A session's commands: { line, text, output = lines }.
local function commands(snippet)
  local list = {}
  for i, line in ipairs(snippet.lines) do
    local text = line:match "^%$ (.+)$"
    if text then
      list[#list + 1] = { line = snippet.line + i, text = text, output = {} }
    elseif list[1] then
      table.insert(list[#list].output, line)
    else
      fail(snippet.line + i, "a session begins with its output")
    end
  end
  return list
end

local kinds = {}

function kinds.sh(snippet)
  snippet.commands = commands(snippet)
  if not snippet.commands[1] then fail(snippet.line, "a session without a command") end
end

function kinds.lua(snippet)
  snippet.name = (snippet.lines[1] or ""):match "^%-%- ([%w_]+%.lua)%f[%W]" or
    fail(snippet.line, "a script whose first line does not name it")
  snippet.text = table.concat(snippet.lines, "\n") .. "\n"
end

--- The snippets below a heading ("## Title"), up to the next of its level.
function document.snippets(text, heading)
  local list, snippet, inside, number, found = {}, nil, false, 0, false
  local level = heading:match "^#+ "
  for line in text:gmatch "([^\n]*)\n" do
    number = number + 1
    local fence = line:match "^%s*```(.*)$"
    if snippet then
      if fence == "" then
        if not kinds[snippet.kind] then fail(snippet.line, "nobody knows how to run %q", snippet.kind) end
        kinds[snippet.kind](snippet)
        list[#list + 1], snippet = snippet, nil
      else
        table.insert(snippet.lines, line)
      end
    elseif line:sub(1, #level) == level then
      inside = line == heading
      found = found or inside
    elseif fence and inside then
      snippet = { kind = fence, line = number, lines = {} }
    end
  end
  if snippet then fail(snippet.line, "it has no end") end
  if not found then error("there is no " .. heading, 0) end
  return list
end

-- ---- output ----

local function pattern_of(line)
  return "^" .. line:gsub("%p", "%%%0"):gsub("…", ".*") .. "$"
end

--- Is an output what is shown? The order of lines is not looked at: hosts have
-- none. nil, or what is wrong.
function document.differs(shown, output)
  local left, is_open = {}, false
  for line in output:gmatch "([^\n]*)\n" do left[#left + 1] = line end
  for _, line in ipairs(shown) do
    local at
    if line == "…" then is_open = true end
    for i, candidate in ipairs(left) do
      if line ~= "…" and not at and candidate:find(pattern_of(line)) then at = i end
    end
    if at then table.remove(left, at) elseif line ~= "…" then return ("it does not say %q"):format(line) end
  end
  if left[1] and not is_open then return ("it says %q, which is not shown"):format(left[1]) end
  return nil
end

return document
