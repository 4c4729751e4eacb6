--- Manual pages: an article in the language of man(7), for groff and mandoc.

local core = require "harp.core"
local page = require "harp.cli.page"

local man = {}

local SPECIAL = { ["\\"] = "\\e", ["-"] = "\\-", ["'"] = "\\(aq", ["`"] = "\\(ga", ["^"] = "\\(ha", ["~"] = "\\(ti" }

-- Text in one line; what is not ASCII is named, so that no encoding matters.
local function escape(text)
  text = text:gsub("[\\%-'`^~]", SPECIAL)
  text = text:gsub(utf8.charpattern, function(character)
    if #character > 1 then return ("\\[u%04X]"):format(utf8.codepoint(character)) end
  end)
  return text:find "^%." and "\\&" .. text or text
end

-- Lines are short, and none begins like a request.
local function fill(text)
  local lines = page.wrap(escape(text), 78):gsub("\n%.", "\n\\&.")
  return lines
end

local function bold(text) return "\\fB" .. escape(text) .. "\\fR" end

-- In code, names of options and of what is replaced stand out already.
local function verbatim(lines, out)
  out[#out + 1] = ".RS 2\n.nf"
  for _, line in ipairs(lines) do out[#out + 1] = line == "" and "\\&" or escape(line) end
  out[#out + 1] = ".fi\n.RE"
end

local function write_block(block, out, is_first)
  if block.term then
    out[#out + 1] = ".TP\n" .. bold(block.term)
    out[#out + 1] = block.text ~= "" and fill(block.text) or "\\&"
  elseif block.example then
    out[#out + 1] = ".TP\n" .. bold(block.example) .. "\n" .. fill(block.text)
  else
    if not is_first then out[#out + 1] = ".PP" end
    if block.lines then verbatim(block.lines, out) else out[#out + 1] = fill(block.text) end
  end
end

-- "harp call" of "harp call HOST PROC" is what is typed as it is. Lines that
-- begin so are ways to call it; others go on with one, and stay below it.
local function usage(text, command)
  local lines = {}
  for line in text:gmatch "[^\n]+" do
    local typed, rest = line:match("^%s*(" .. command .. ")(.*)$")
    if not typed then typed, rest = line:match "^%s*(harp)(.*)$" end
    lines[#lines + 1] = typed and bold(typed) .. escape(rest) or escape(line)
  end
  return ".nf\n" .. table.concat(lines, "\n") .. "\n.fi"
end

-- Of today, unless a package says when it was made.
local function date() return os.date("!%Y-%m-%d", tonumber(os.getenv "SOURCE_DATE_EPOCH")) end

--- The page of an article (harp.cli.article), as text.
function man.of(about)
  local out = {
    ([[.TH %s 1 %s "harp %s" "harp"]]):format(about.name:upper(), date(), core.version),
    ".SH NAME\n" .. escape(about.name):gsub("\\%-", "-") .. " \\- " .. escape(about.purpose),
    ".SH SYNOPSIS\n" .. usage(about.usage, (about.name:gsub("%-", " ", 1))),
  }
  for _, section in ipairs(about.sections) do
    out[#out + 1] = (".SH %s"):format(section[1]:upper())
    for i = 2, #section do write_block(section[i], out, i == 2) end
  end
  return table.concat(out, "\n")
end

return man
