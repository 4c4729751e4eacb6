std = "lua54"
max_line_length = 120
files["spec"] = { std = "+busted" }
files["scripts/procedures"] = { read_globals = { "procedure", "stream" } }
