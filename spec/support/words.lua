--- Options as words of a line: `after=3 by=rst now=true`.

local words = {}

local constants = { ["true"] = true, ["false"] = false }

local function value(text)
  if constants[text] ~= nil then return constants[text] end
  return tonumber(text) or text
end

function words.parse(text)
  local options = {}
  for name, v in text:gmatch "([%w_]+)=(%S+)" do options[name] = value(v) end
  return options
end

function words.format(options)
  local list = {}
  for name, v in pairs(options) do
    list[#list + 1] = name .. "=" .. (type(v) == "number" and ("%q"):format(v) or tostring(v))
  end
  return table.concat(list, " ")
end

return words
