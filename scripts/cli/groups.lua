--- The subcommands as people look for them: `harp help` has them in these
-- groups, and a manual page names the others of its group. What is in none is
-- told of at the end.

return {
  { "Calls", "call", "job", "jobs", "queues", "hosts", "procedures" },
  { "Batches", "batch", "runs", "attach" },
  { "Scripts and the prompt", "run", "repl", "check" },
  { "Servers", "local", "dispatcher", "daemon" },
  { "harp itself", "config", "help", "version", "completion" },
}
