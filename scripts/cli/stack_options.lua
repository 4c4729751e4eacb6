--- The options of commands that start a dispatcher and a daemon of their own,
-- for help and completion: runtime/cli/stack.c is what starts them.

--- Adds --local, which starts them for `what`, and those that go with it.
return function(parser, what)
  parser:flag "--local":description(("Start a dispatcher and a daemon for %s."):format(what))
  parser:option "--hosts":argname "NAMES"
    :description "More names for the local daemon, besides localhost: web01,web02, or 'web[01-20]'."
  parser:option "--procedures":argname "FILE":count "*"
    :description "What the local daemon offers, instead of the examples; may be given more than once."
  parser:flag "--verbose":description "Show the log of the local dispatcher and daemon."
end
