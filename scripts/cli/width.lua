--- How wide a text is on a terminal, in columns.

local width = {}

-- Characters of two columns: East Asian wide ones, and pictures.
local WIDE = {
  { 0x1100, 0x115f }, { 0x2e80, 0xa4cf }, { 0xac00, 0xd7a3 }, { 0xf900, 0xfaff }, { 0xfe30, 0xfe6f },
  { 0xff00, 0xff60 }, { 0xffe0, 0xffe6 }, { 0x1f300, 0x1faff }, { 0x20000, 0x3fffd },
}

local function of_character(code)
  if code < 0x300 then return 1 end
  if code <= 0x36f or code >= 0x200b and code <= 0x200f or code == 0xfe0f then return 0 end
  for _, range in ipairs(WIDE) do
    if code >= range[1] and code <= range[2] then return 2 end
  end
  return 1
end

--- The columns that a text of one line takes.
function width.of(text)
  if not text:find "[\x80-\xff]" or not utf8.len(text) then return #text end
  local columns = 0
  for _, code in utf8.codes(text) do columns = columns + of_character(code) end
  return columns
end

-- Its bytes that fit.
local function beginning(text, columns)
  if not utf8.len(text) then return text:sub(1, columns) end
  for at, code in utf8.codes(text) do
    columns = columns - of_character(code)
    if columns < 0 then return text:sub(1, at - 1) end
  end
  return text
end

--- A text of at most so many columns: what is wider ends in "…".
function width.cut(text, columns)
  if width.of(text) <= columns then return text end
  return columns < 1 and "" or beginning(text, columns - 1) .. "…"
end

return width
