--- A text that does nothing to a terminal: of what comes from outside, control
-- characters are shown, but for newlines and tabs, and so are those that turn
-- around what stands beside them (Unicode's Bidi_Control).

local function byte(c) return ("\\x%02x"):format(c:byte()) end
local function character(c) return ("\\u{%x}"):format(utf8.codepoint(c)) end

return function(text)
  text = text:gsub("[\0-\8\11-\31\127]", byte):gsub("\xc2[\x80-\x9f]", character)
  if text:find "[\xd8\xe2]" then
    text = text:gsub("\xd8\x9c", character):gsub("\xe2\x80[\x8e\x8f\xaa-\xae]", character)
      :gsub("\xe2\x81[\xa6-\xa9]", character)
  end
  return text
end
