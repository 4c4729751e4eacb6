--- A text that does nothing to a terminal: of what comes from outside, control
-- characters are shown, but for newlines and tabs.

return function(text)
  text = text:gsub("[%c\127]", function(c)
    if c ~= "\n" and c ~= "\t" then return ("\\x%02x"):format(c:byte()) end
  end)
  return (text:gsub("\xc2[\x80-\x9f]", function(c) return ("\\u{%x}"):format(utf8.codepoint(c)) end))
end
