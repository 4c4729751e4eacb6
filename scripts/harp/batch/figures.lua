--- Numbers of a run as its report has them.

local figures = {}

--- Seconds: "0.42 s", "2 min 05 s", "1 h 02 min".
function figures.duration(seconds)
  if seconds < 59.995 then return ("%.2f s"):format(math.max(seconds, 0)) end
  local whole = math.floor(seconds + 0.5)
  if whole < 3600 then return ("%d min %02d s"):format(whole // 60, whole % 60) end
  local minutes = (whole + 30) // 60
  if minutes < 48 * 60 then return ("%d h %02d min"):format(minutes // 60, minutes % 60) end
  return ("%d d %02d h"):format(minutes // 1440, minutes % 1440 // 60)
end

--- The same for a scale: "0", "0.2 s", "30 s", "1:30 min".
function figures.tick(seconds)
  if seconds == 0 then return "0" end
  if seconds < 60 then return ("%.4g s"):format(seconds) end
  if seconds % 60 ~= 0 and seconds < 3600 then return ("%d:%02d min"):format(seconds // 60, seconds % 60) end
  if seconds < 3600 then return ("%d min"):format(seconds // 60) end
  if seconds % 3600 ~= 0 then return ("%d:%02d h"):format(seconds // 3600, seconds % 3600 // 60) end
  if seconds < 86400 then return ("%d h"):format(seconds // 3600) end
  return ("%g d"):format(seconds / 86400)
end

--- "1,234"
function figures.number(n)
  local text = ("%d"):format(n)
  local digits
  repeat text, digits = text:gsub("^(%d+)(%d%d%d)", "%1,%2") until digits == 0
  return text
end

--- "1 host", "1,234 hosts"
function figures.count(n, noun) return ("%s %s%s"):format(figures.number(n), noun, n == 1 and "" or "s") end

--- Bytes: "812 bytes", "64 KiB", "1.5 MiB".
function figures.bytes(n)
  if n < 1024 then return ("%d bytes"):format(n) end
  if n < 1024 * 1024 then return ("%d KiB"):format(n // 1024) end
  return ("%.1f MiB"):format(n / 1024 / 1024)
end

return figures
