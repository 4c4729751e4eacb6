--- Bytes that nobody can guess.

local random = {}

function random.bytes(count)
  local source <close> = assert(io.open "/dev/urandom")
  return source:read(count)
end

--- So many bytes, in hexadecimal digits.
function random.hex(count)
  return (random.bytes(count):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

return random
