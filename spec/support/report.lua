-- busted's plain output; and, for the end of `make check`, the counts and the
-- names of those that failed.

return function(options)
  local busted = require "busted"
  local handler = require "busted.outputHandlers.plainTerminal"(options)
  busted.subscribe({ "exit" }, function()
    local file = assert(io.open(os.getenv "HARP_COUNTS" or "/dev/null", "a"))
    file:write(("%d %d\n"):format(handler.successesCount, handler.failuresCount + handler.errorsCount))
    for _, list in ipairs{ handler.failures, handler.errors } do
      for _, failure in ipairs(list) do
        local at = failure.element.trace        -- of a file that is not Lua it has no line
        local place = at.currentline and ("%s:%d: "):format(at.short_src, at.currentline) or ""
        file:write("failed: ", place, failure.name, "\n")
      end
    end
    file:close()
    return nil, true
  end)
  return handler
end
