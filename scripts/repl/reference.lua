--- What help says of each public function of harp: how it is called, and what
-- it does, in lines that help wraps. The names are those of the README; methods
-- stand behind a colon.

return {
  -- values
  ["harp.null"] = { "harp.null",
    "What JSON has for nothing: Lua's nil cannot stand in a table. The same as cjson.null." },
  ["harp.array"] = { "harp.array{…}",
    "Marks a table as an array, so that an empty one is [] in JSON, and returns it." },
  ["harp.is_array"] = { "harp.is_array(v)", "Is it a table that was marked as an array, or came as one?" },
  ["harp.named"] = { "host.PROCEDURE(harp.named{ a = 1 })", "Marks a table as the named arguments of a call." },
  ["harp.encode"] = { "harp.encode(v)", "The value as JSON, without loss. What JSON cannot carry is an error." },
  ["harp.decode"] = { "harp.decode(text)", "The value of a JSON text. What is not JSON is an error." },
  ["harp.CALL_NOT_FINISHED"] = { "harp.CALL_NOT_FINISHED", "What job:result() returns while the job has not ended." },
  ["harp.CALL_CANCELLED"] = { "harp.CALL_CANCELLED", "What job:result() returns when the job was cancelled." },
  ["harp.Result"] = { "harp.Result(v)",
    "The last item of a server's stream: `value` is what the procedure returned." },
  ["harp.is_result"] = { "harp.is_result(v)", "Is it a harp.Result?" },
  ["harp.is_error"] = { "harp.is_error(v[, kind])",
    "Is it an error of harp, and of that kind? Kinds: CommunicationError, RemoteError, RemoteException, "
    .. "CancelledException, TimeoutError, CommandError, UsageError. Its fields: kind, type, message, data, job." },

  -- tasks
  ["harp.spawn"] = { "harp.spawn(fn, …)",
    "Starts a task that runs fn(…) beside the others, and returns it: task:join(), task:cancel()." },
  ["harp.sleep"] = { "harp.sleep(seconds)", "Waits; other tasks go on." },
  ["harp.run"] = { "harp.run(fn, …)",
    "In stock lua5.4: runs fn(…) with tasks, until all of them have ended; its results." },
  ["harp.map"] = { "harp.map(list, fn[, { concurrency = n }])",
    "fn(item, index) for all items at once, or n of them; the results in order. The first error "
    .. "ends the others and is raised." },
  ["harp.all"] = { "harp.all(tasks)",
    "Waits for all tasks; their results in order. The first error cancels the others and is raised." },
  ["harp.any"] = { "harp.any(tasks)", "Waits for the first task to end, cancels the others; its results." },
  ["harp.timeout"] = { "harp.timeout(seconds, fn, …)", "fn(…); a TimeoutError when it takes longer." },
  ["task:join"] = { "task:join()", "Waits for its end; what its function returned. Raises what that raised." },
  ["task:cancel"] = { "task:cancel()", "Raises a CancelledException where the task waits." },

  -- scripts
  ["harp.args"] = { "harp.args{ \"What it does.\", { \"host\", \"where\", args = \"+\" }, { \"--limit\", \"…\" }, … }",
    "Reads the script's command line: a table of values by name. It has --help, checks and converts; what is wrong "
    .. "is one line, and status 2. A declaration may have type, default, choices, flag, env, args." },
  ["harp.log"] = { "harp.log(\"text %s\", v), harp.log.debug|info|warning|error(…)",
    "A line on standard error, with time and level. harp.log.level, or $HARP_LOG, is the least that is shown." },

  -- batches
  ["batch.run"] = { "require \"harp.batch\".run{ hosts =, step = function(host, name) … end, … }",
    "Runs a step on many hosts, in waves (serial), so many at once (concurrency), again where it failed (retries); "
    .. "returns the run: lists of hosts such as run.ok and run.failed, run.results, run.code. Its journal lets another "
    .. "process go on: harp run --resume. More: name, limit, max_fail, on_fail, timeout, queue, after_wave, dry_run, "
    .. "show, report, junit." },
  ["batch.step"] = { "batch.step([host,] name, fn)",
    "In a step: what fn(host) returns, which is remembered for this host once it has ended well." },
  ["batch.args"] = { "batch.args{…}", "harp.args with hosts and the options of batches; batch.run{ options = args }." },

  -- commands
  ["harp.exec"] = { "harp.exec{ word, …, cwd =, env =, stdin =, timeout =, stderr =, parse = }",
    "Runs a command of this machine, without a shell: an iterator over its lines as they come. stderr: \"result\", "
    .. "\"merge\" or \"log\"; parse = \"json\" decodes each line. Leaving the loop ends the command." },
  ["exec:all"] = { "run:all()", "The lines that are left, as a list." },
  ["exec:result"] = { "run:result()",
    "Waits for the end: { status = 0…255, or signal = \"TERM\"…, stderr = text }." },
  ["exec:kill"] = { "run:kill([signal])", "Sends a signal (default TERM); false when the command is gone." },
  ["exec:close"] = { "run:close()", "Ends the command, without waiting for it." },

  -- peers
  ["harp.caller"] = { "harp.caller([address])",
    "A dispatcher: \"host\", \"host:port\", \"[v6]:port\", \"unix:/path\", a name of the configuration, or a table "
    .. "with host, port, tls, user, password… Without one $HARP_CALLER, else the --local stack, else what is "
    .. "configured, else a harp local that runs, else localhost:3502. rpc.NAME is a host." },
  ["harp.server"] = { "harp.server{ host =, user =, password = }",
    "A daemon, called directly: server.PROCEDURE(…) gives the value, or an iterator whose last item is a "
    .. "harp.Result." },
  ["harp.call_info"] = { "harp.call_info()", "Inside a procedure: { user =, address =, procedure = } of the call." },
  ["harp.repl"] = { "harp.repl(), repl()",
    "A prompt in the function that calls it, with its locals, to which it can assign. Ctrl-D or :quit goes on." },
  ["rpc:host"] = { "rpc.NAME, rpc(NAME[, options]), rpc:host(NAME[, options])",
    "A host, as the dispatcher knows it. host.PROCEDURE(…) submits a call and returns its job; host{…} is the same "
    .. "host with options: queue = { … }, concurrency = n, timeout = s, max_exec_time = s, info = any, "
    .. "dedup = { key = any, window = s }, retry_for = s." },
  ["rpc:job"] = { "rpc:job(id)", "A job that was submitted earlier." },
  ["rpc:jobs"] = { "for job in rpc:jobs{ host =, procedure =, … } do … end",
    "Jobs that the dispatcher has, the newest first: by host, procedure, queue, state, since, until, info, limit." },
  ["rpc:queues"] = { "for queue in rpc:queues() do … end", "The queues: { name, concurrency, running, waiting }." },
  ["rpc:hosts"] = { "for host in rpc:hosts() do … end", "The hosts that the dispatcher knows: { name, address }." },
  ["rpc:is_extended"] = { "rpc:is_extended()",
    "Does the dispatcher know harp's extensions, such as dedup keys and lists? Stock ones do not." },
  ["rpc:request"] = { "rpc:request{…}", "Sends one request as it is, and returns the reply." },
  ["host:procedure"] = { "host:procedure(\"any.name\")(…)", "A procedure whose name clashes, or is not Lua's." },

  -- jobs
  ["job:id"] = { "job:id()", "Its id, a UUID string, by which rpc:job(id) finds it again." },
  ["job:is_duplicate"] = { "job:is_duplicate()", "Was it submitted before, and is this what its dedup key found?" },
  ["job:follow"] = { "for msg in job:follow{ since = n } do … end",
    "Its packets as they come, until it ends: from number n on, or the last { recent = n } and the new ones, or only "
    .. "new ones. numbered = true gives number and packet, timestamps = true the time behind it. Leaving the "
    .. "loop, by Ctrl-C too, leaves the job be. Kept in a variable, it has :all(), and :result(), the outcome." },
  ["job:stream"] = { "for msg in job:stream{ since = n } do … end",
    "The packets recorded so far; options as of job:follow." },
  ["job:result"] = { "job:result{ wait = true }",
    "Its outcome: the value, harp.CALL_CANCELLED, an error (returned, not raised); without wait perhaps "
    .. "harp.CALL_NOT_FINISHED." },
  ["job:get"] = { "job:get()", "Waits for the value; errors are raised." },
  ["job:cancel"] = { "job:cancel()", "true if it was queued or running, and is not any more." },
  ["job:status"] = { "job:status()",
    "{ call = { procedure, arguments, host }, time = { submit, start, [\"end\"] }, info, state }." },
  ["job:procedure"] = { "job:procedure()", "The name of its procedure." },
  ["job:args"] = { "job:args()", "Its arguments." },
  ["job:host"] = { "job:host()", "The name of its host." },
  ["job:info"] = { "job:info()", "The info that it was submitted with." },
  ["job:submit_time"] = { "job:submit_time()", "When it was submitted, in unix seconds." },
  ["job:start_time"] = { "job:start_time()", "When it was started; nil if it was not." },
  ["job:end_time"] = { "job:end_time()", "When it ended; nil if it has not." },
  ["stream:all"] = { "stream:all()", "All that is left, as a list." },
  ["stream:close"] = { "stream:close()", "Lets go of it; a job goes on." },
}
