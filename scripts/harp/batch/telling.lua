local telling={}
function telling.observers() return {} end
function telling.close(list) for _,o in ipairs(list) do o:close() end end
function telling.print(line) print(line) end
function telling.say(text, ...) io.stderr:write("harp: ", text:format(...), "\n") end
function telling.conclude() end
return telling
