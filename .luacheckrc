std = "lua54"
max_line_length = 120
self = false                    -- a metamethod may have no use for it
files["spec"] = { std = "+busted" }
files["scripts/procedures"] = { read_globals = { "procedure", "stream", "command" } }
files["spec/soak/procedures.lua"] = { read_globals = { "procedure", "stream" } }
