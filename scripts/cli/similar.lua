--- Which word was meant.

local similar = {}

-- How many letters have to be put in, taken out, changed or swapped.
local function distance(a, b)
  local rows = { [-1] = {}, [0] = {} }
  for j = 0, #b do rows[0][j] = j end
  for i = 1, #a do
    local row, above, before = { [0] = i }, rows[i - 1], rows[i - 2]
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      row[j] = math.min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
    rows[i] = row
  end
  return rows[#a][#b]
end

--- The one of a list that is most like a word; nil when none is like it.
function similar.to(word, list)
  local best, least = nil, math.max(1, #word // 3) + 1
  for _, candidate in ipairs(list) do
    local d = distance(word, candidate)
    if d < least then best, least = candidate, d end
  end
  return best
end

--- The same as the end of a sentence: `; did you mean "call"?`, or nothing.
function similar.hint(word, list)
  local meant = similar.to(word, list)
  return meant and ("; did you mean %q?"):format(meant) or ""
end

return similar
