--- What comes from outside, made good for HTML and XML, where it can be nothing
-- but text.

local printable = require "harp.printable"

local markup = {}

local REPLACEMENT = "\u{fffd}"

-- Each byte that is no UTF-8 is replaced.
local function valid(text)
  local pieces, from = {}, 1
  local length, bad = utf8.len(text)
  while not length do
    pieces[#pieces + 1] = text:sub(from, bad - 1)
    pieces[#pieces + 1] = REPLACEMENT
    from = bad + 1
    length, bad = utf8.len(text, from)
  end
  if from == 1 then return text end
  pieces[#pieces + 1] = text:sub(from)
  return table.concat(pieces)
end

--- A text that is valid UTF-8, in which what would not be seen, or turn around
-- what stands beside it, is shown by its number.
function markup.clean(text)
  text = valid(text)
  if text:find("\r\n", 1, true) then text = text:gsub("\r\n", "\n") end
  return printable(text)
end

--- The same on one line.
function markup.line(text) return (markup.clean(text):gsub("%s*[\n\t]%s*", " ")) end

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

--- A clean text as it stands in HTML, between tags or in an attribute.
function markup.escape(text) return (text:gsub("[&<>\"']", ENTITIES)) end

--- Any text in HTML, on one line.
function markup.html(text) return markup.escape(markup.line(text)) end

--- Any text in XML 1.0, which has no control characters, not even by number:
-- those are left out.
function markup.xml(text)
  text = valid(text):gsub("[%z\1-\8\11\12\14-\31]", ""):gsub("\xef\xbf[\xbe\xbf]", "")
  return markup.escape(text)
end

--- The beginning of a clean text, at most so many bytes, in whole characters.
function markup.beginning(text, bytes)
  if #text <= bytes then return text end
  while bytes > 0 and text:find("^[\x80-\xbf]", bytes + 1) do bytes = bytes - 1 end
  return text:sub(1, bytes)
end

return markup
