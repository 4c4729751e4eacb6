-- Files of procedures: what can be registered, and what callers see of it.

local harness = require "spec.support.harness"
local harp = require "harp"

local is_root = harness.shell "id -u" == "0\n"

local function line(procedure, arguments, user)
  return ('{"harp":1,"procedure":%q,"arguments":%s,"auth":{"user":%q,"password":"secret"}}\n'):format(
    procedure, arguments or "[]", user or "tester")
end

-- All answers to a call, as values; the first one says that it was accepted.
local function call(daemon, ...)
  local answers = {}
  for i, text in ipairs((harness.ask_tls(daemon, line(...)))) do answers[i] = harp.decode(text) end
  return answers
end

local function result(daemon, ...)
  local answers = call(daemon, ...)
  local last = answers[#answers]
  return last.result, last.error or last.exception
end

describe("files of procedures", function()
  teardown(harness.clean_up)

  describe("are refused when", function()
    local directory, good

    setup(function()
      directory = harness.directory()
      local certificate, key = harness.certificate(directory)
      good = ('certificate=%q key=%q users={a="b"} listen="127.0.0.1:0"\n'):format(certificate, key)
    end)

    -- What the daemon says when it does not start with a file, and the file's
    -- path. `as`: a command that runs it as another user.
    local function refusal(text, as)
      local path = harness.write(directory .. "/p.lua", text)
      local config = harness.write(directory .. "/c.lua", good .. ("procedures={%q}"):format(path))
      local command = ("timeout 50 %s daemon --config %s 2>&1"):format(harness.program, config)
      if as then
        harness.shell("chown -R nobody " .. directory)
        command = as .. " " .. command
      end
      local output, status = harness.shell(command)
      assert.equal(1, status, output)
      return output, path
    end

    local function refuses(text, expected)
      it(("%s: %s"):format(expected, text:gsub("%s+", " ")), function()
        local errors, path = refusal(text)
        assert.truthy(errors:find(path .. ":2: " .. expected, 1, true), errors)
      end)
    end

    -- Each on the second line, which the message has to name.
    local function refuses_option(options, expected)
      refuses(("\nprocedure('p', { %s }, function(a) return a end)"):format(options), 'procedure "p": ' .. expected)
    end

    refuses("\nprocedure()", "a procedure is registered by its name, options if any, and a function")
    refuses("\nprocedure('p')", "a procedure is registered by its name")
    refuses("\nprocedure('p', 1, print)", "a procedure is registered by its name")
    refuses("\nstream('p', {}, 1)", "a procedure is registered by its name")
    refuses("\ncommand('p', {}, 'df')", "a procedure is registered by its name, options if any, and a list of words")
    refuses("\ncommand('p', {})", 'procedure "p": a command is a list of words')
    refuses("\ncommand('p', { stderr = 1 }, {'df'})", 'procedure "p": option stderr: must be')
    refuses("\ncommand('p', { timeout = 0 }, {'df'})", 'procedure "p": option timeout: must be')
    refuses("\ncommand('p', { secret = {'b'} }, {'df', arg 'a'})", 'procedure "p": option secret: there is no')
    refuses("\nprocedure('', print)", 'procedure "": no caller could say this name')
    refuses("\nprocedure('\\xff', print)", 'procedure "\xff": no caller could say this name')
    refuses("\nprocedure('harp.mine', print)", 'procedure "harp.mine": names that begin with "harp." are harp\'s own')
    refuses_option("colour = 1", 'there is no option "colour"')
    refuses_option("1", 'there is no option "1"')
    refuses_option("doc = 1", "option doc: must be a string of UTF-8")
    refuses_option("doc = '\\xff'", "option doc: must be a string of UTF-8")

    for _, timeout in ipairs{ "0", "-1", "'5'", "0/0", "1/0" } do
      refuses_option("timeout = " .. timeout, "option timeout: must be seconds above 0, at most 1e9")
    end

    refuses_option("lock = false", "option lock: must be true, a name, or {name, number, wait = boolean}")
    refuses_option("lock = ''", "option lock: its name must be a string of at most 127 bytes")
    refuses_option("lock = { 1 }", "option lock: its name must be a string of at most 127 bytes")
    refuses_option("lock = { 'l', 0 }", "option lock: its number must be a whole one above 0")
    refuses_option("lock = { 'l', 1.5 }", "option lock: its number must be a whole one above 0")
    refuses_option("lock = { 'l', wait = 1 }", "option lock: wait must be true or false")
    refuses_option("lock = { 'l', waits = true }", 'option lock: has no "waits"')

    refuses_option("env = 'A=1'", "option env: must be a table of strings, or false, by name")
    refuses_option("env = { 'A' }", "option env: 1 is no name of a variable")
    refuses_option("env = { ['A=B'] = 'x' }", 'option env: "A=B" is no name of a variable')
    refuses_option("env = { A = 1 }", "option env: A must be a string, or false to unset it")
    refuses_option("env = { A = 'x\\0y' }", "option env: A must be a string, or false to unset it")

    refuses_option("limits = 5", "option limits: must be a table such as")
    refuses_option("limits = { size = 5 }", 'option limits: has no "size", only memory, cpu and files')
    refuses_option("limits = { memory = '1M' }", "option limits: memory must be a whole number of bytes above 0")
    refuses_option("limits = { cpu = 0.5 }", "option limits: cpu must be a whole number of seconds above 0")
    refuses_option("limits = { files = 0 }", "option limits: files must be a whole number of descriptors above 0")

    for _, users in ipairs{ "'anna'", "{}", "{ 1 }", "{ anna = true }" } do
      refuses_option("users = " .. users, "option users: must be a list of users, one at least")
    end
    refuses_option("secret = { 'b' }", 'option secret: there is no parameter "b"')
    refuses_option("secret = { '...' }", 'option secret: there is no parameter "..."')
    refuses_option("secret = 'a'", "option secret: must be a list of parameters, one at least")

    for _, user in ipairs{ "true", "''", "-1", "{}", "0x100000000", "1.0" } do
      refuses_option("user = " .. user, "option user: must be the name or number of a user")
      refuses_option("group = " .. user, "option group: must be the name or number of a group, or a list of them")
    end
    refuses_option("user = 'no-such-user'", "option user: ")
    refuses_option("group = { 'no-such-group' }", "option group: ")

    it("two of them register the same name", function()
      local errors, path = refusal "procedure('p', print)\nprocedure('p', print)"
      assert.truthy(errors:find(path .. ':2: procedure "p": it was registered before, in ' .. path .. ":1", 1, true))
    end)

    it("two procedures share a lock and differ in its number", function()
      local errors, path = refusal "procedure('p', {lock = {'l', 2}}, print)\nstream('q', {lock = 'l'}, print)"
      assert.truthy(errors:find(path .. ':2: procedure "q": option lock: "l" has 2 places in ' .. path
        .. ":1, and 1 here", 1, true))
    end)

    it("they ask for a user or group that a daemon without root cannot become", function()
      local as_nobody
      if is_root then
        if harness.shell(("runuser -u nobody -- test -x %s; echo $?"):format(harness.program)) ~= "0\n" then
          return pending "nobody cannot run the program where it is"
        end
        as_nobody = "runuser -u nobody --"
      end
      assert.truthy(refusal("procedure('p', {user = 0}, print)", as_nobody):find
        "option user: only a daemon that runs as root can become root; this one runs as uid %d+")
      assert.truthy(refusal("procedure('p', {group = 0}, print)", as_nobody):find
        "option group: only a daemon that runs as root can change groups")
    end)
  end)

  it("may give every option, and say a user, a group and a lock in every way", function()
    local daemon = harness.daemon{ procedures = [[
      local uid = tonumber(io.open "/proc/self/status":read "a":match "Uid:%s+(%d+)")
      procedure("all", {
        user = uid, timeout = 99.5, doc = "", lock = true, env = { A = "", B = false },
        limits = { memory = 1 << 50, cpu = 10, files = 64.0 }, users = { "tester" }, secret = { "a", "..." },
      }, function(a, ...) return a, ... end)
      for i, lock in ipairs{ "l", { "l" }, { "l", 1 }, { "l", 1, wait = false }, {}, { true, 2 }, { wait = true } } do
        stream("lock" .. i, { lock = lock }, function() end)
      end]] }
    assert.equal(1, (result(daemon, "all", "[1]")))
    daemon:stop()
  end)

  it("are those that the manual shows", function()
    local count = 0
    for snippet in harness.read "scripts/procedures/README.md":gmatch "\n```lua\n(.-)```" do
      harness.daemon{ procedures = snippet }:stop()
      count = count + 1
    end
    assert.equal(3, count)
  end)

  for _, name in ipairs{ "example", "operations" } do
    it(("are those that come along, each with its comment: %s.lua"):format(name), function()
      if name == "operations" and not is_root then return pending "it asks for users that only root can become" end
      local daemon = harness.daemon{ settings = 'users = { operator = "secret" }',
        procedures = harness.read(("scripts/procedures/%s.lua"):format(name)) }
      local list = result(daemon, "harp.procedures", "[]", "operator")
      for _, procedure in ipairs(list) do assert.is_string(procedure.doc, procedure.name) end
      assert.is_true(#list > 5)
      daemon:stop()
    end)
  end

  it("have globals of their own, and share what they require", function()
    local directory = harness.directory()
    local one = harness.write(directory .. "/one.lua", [[
      x, harp_shared = 1, package.loaded
      harp_shared.shared = "of both"
      procedure("one", function() x = x + 1 return x end)]])
    local two = harness.write(directory .. "/two.lua", [[
      procedure("two", function() return { tostring(x), tostring(harp_shared), require "shared" } end)]])
    local daemon = harness.daemon{ settings = ("procedures = { %q, %q }"):format(one, two) }
    assert.equal(2, (result(daemon, "one")))
    assert.equal(2, (result(daemon, "one")))
    assert.same({ "nil", "nil", "of both" }, (result(daemon, "two")))
    daemon:stop()
  end)

  it("cannot end the process of a call", function()
    local daemon = harness.daemon{ procedures = "procedure('leave', function() os.exit(0) end)" }
    local _, exception = result(daemon, "leave")
    assert.truthy(exception.message:find "a procedure cannot end its process")
    daemon:stop()
  end)
end)

describe("a procedure", function()
  local daemon

  setup(function()
    daemon = harness.daemon{ settings = 'users = { tester = "secret", anna = "secret", bert = "secret" }',
      procedures = [[
local harp = require "harp"

-- Who calls.
procedure("who", function(change)
  local info = harp.call_info()
  if change then info.user = "somebody else" end
  return { info, harp.call_info() }
end)

local loading = harp.call_info()

-- Far away.

procedure("outside", function() return loading == nil end)

--- Adds
--    two numbers.
procedure("add", {
  users = { "anna", "bert" },
}, function(a, b) return a + b end)

-- Not this one.
procedure("option", { doc = "Said by the option.", users = { "anna" } }, function(...) return ... end)

local function register(name) stream(name, function(_) end) end     -- not a comment of its own
register "zulu"
register "alpha"

-- What JSON cannot carry.
procedure("bad", function(kind)
  if kind == "nested" then return { list = { 1, { ["a key"] = print } } } end
  if kind == "nan" then return { x = 0 / 0 } end
  if kind == "cycle" then local t = {} t.t = { t } return t end
  if kind == "utf8" then return { "\xff" } end
  if kind == "data" then error{ type = "t", message = "m\xff", data = { f = print } } end
end)
stream("bad_packet", function() coroutine.yield(1) coroutine.yield{ at = { print } } end)
stream("two_values", function() coroutine.yield(1, 2) end)
procedure("yields", function() coroutine.yield(1) end)

procedure("holds", function(path, how)
  local held <close> = setmetatable({}, { __close = function()
    local file <close> = io.open(path, "w")
    file:write "closed"
  end })
  if how == "raise" then error "raised" end
  if how == "yield" then coroutine.yield(1) end
  return how == "bad" and print or nil
end)]] }
  end)

  teardown(harness.clean_up)

  it("knows who called, from where and by what name", function()
    for _, change in ipairs{ "false", "true" } do
      local answer = result(daemon, "who", ("[%s]"):format(change), "anna")
      local after = answer[2]
      assert.truthy(after.address:find "^127%.0%.0%.1")
      assert.same({ user = "anna", procedure = "who", address = after.address }, after)
    end
    assert.is_true((result(daemon, "outside")))
    assert.is_nil(harp.call_info())
  end)

  it("is called by its users only", function()
    assert.equal(3, (result(daemon, "add", "[1,2]", "bert")))
    for _, case in ipairs{ { "add", "[1,2]" }, { "add", "[1,2,3,4]" } } do
      assert.same({ '{"harp":1,"error":{"type":"auth_error","message":"user \\"tester\\" may not call \\"add\\""}}' },
        (harness.ask_tls(daemon, line(table.unpack(case)))))
    end
    local _, failure = result(daemon, "option", "[]", "bert")
    assert.equal("auth_error", failure.type)
  end)

  describe("is told of by harp.procedures", function()
    local function list(user)
      local by_name, names = {}, {}
      for i, procedure in ipairs((result(daemon, "harp.procedures", "[]", user))) do
        by_name[procedure.name], names[i] = procedure, procedure.name
      end
      return by_name, names
    end

    it("with its parameters and what it is", function()
      local by_name = list "anna"
      assert.same({ name = "add", params = { "a", "b" }, vararg = false, stream = false,
        doc = "Adds\n   two numbers." }, by_name.add)
      assert.same({ name = "option", params = {}, vararg = true, stream = false, doc = "Said by the option." },
        by_name.option)
      assert.truthy(harp.is_array(by_name.option.params))
      assert.equal("Who calls.", by_name.who.doc)
      assert.is_true(by_name.bad_packet.stream)
    end)

    it("without a doc where no comment is right above it", function()
      local by_name = list "anna"
      assert.same({ name = "outside", params = {}, vararg = false, stream = false }, by_name.outside)
      assert.is_nil(by_name.alpha.doc)
      assert.is_nil(by_name.bad_packet.doc)
    end)

    it("to those who may call it, in the order of the names, and not itself", function()
      local all = { "add", "alpha", "bad", "bad_packet", "holds", "option", "outside", "two_values", "who", "yields",
        "zulu" }
      assert.same(all, select(2, list "anna"))
      table.remove(all, 6)
      assert.same(all, select(2, list "bert"))
      table.remove(all, 1)
      assert.same(all, select(2, list "tester"))
    end)

    it("which takes no arguments", function()
      local _, failure = result(daemon, "harp.procedures", "[1]")
      assert.equal("harp.procedures() takes 0 arguments, got 1", failure.message)
    end)
  end)

  it("whose value JSON cannot carry is told where in it", function()
    for kind, message in pairs{
      nested = 'value.list[2].a key cannot be JSON: a function',
      nan = "value.x cannot be JSON", cycle = "value.t", utf8 = "value[1] cannot be JSON",
    } do
      local answers = call(daemon, "bad", ("[%q]"):format(kind))
      assert.same({ harp = 1, stream_result = false }, answers[1])
      assert.equal("invalid_message", answers[2].error.type)
      assert.truthy(answers[2].error.message:find(message, 1, true), answers[2].error.message)
    end
    local answers = call(daemon, "bad_packet")
    assert.same({ stream = 1 }, answers[2])
    assert.same({ type = "invalid_message", message = "value.at[1] cannot be JSON: a function" }, answers[3].error)
  end)

  it("which raises what JSON cannot carry has it replaced", function()
    local _, exception = result(daemon, "bad", '["data"]')
    assert.same({ "t", "m?" }, { exception.type, exception.message })
    assert.truthy(exception.data.traceback:find "stack traceback")
  end)

  it("yields one value at a time, and only if it is a stream", function()
    local _, failure = result(daemon, "two_values")
    assert.same({ type = "invalid_message", message = "a packet is one value, not 2" }, failure)
    _, failure = result(daemon, "yields")
    assert.same({ type = "invalid_message", message = "the procedure yielded, but is not registered as a stream" },
      failure)
  end)

  it("closes what it holds, however it ends, before its caller is told", function()
    for _, how in ipairs{ "return", "raise", "yield", "bad" } do
      local path = harness.directory() .. "/file"
      local connection = harness.connect_tls(daemon)
      connection:send(line("holds", harp.encode{ path, how }))
      assert(connection:receive "*l")
      assert(connection:receive "*l")
      connection:close()
      assert.equal("closed", harness.read(path), how)
    end
  end)
end)

describe("arguments in the log", function()
  local daemon

  setup(function()
    daemon = harness.daemon{ settings = 'log_level = "debug" log = "json"', procedures = [[
      procedure("login", function(user, password, api_key) return user, password, api_key end)
      procedure("hide", { secret = { "plan", "..." } }, function(plan, place, ...) return plan, place, ... end)
      procedure("any", function(...) return ... end)]] }
  end)

  teardown(harness.clean_up)

  -- What the debug line of a call says of its arguments.
  local function logged(procedure, arguments)
    local before = #harness.read(daemon.log)
    call(daemon, procedure, arguments)
    local text = harness.read(daemon.log):sub(before + 1)
    assert.is_nil(text:find("hush", 1, true), text)
    for event in text:gmatch "[^\n]+" do
      local found = harp.decode(event).arguments
      if found then return harp.decode(found) end
    end
  end

  it("have no secrets, known by the name of their parameter or key", function()
    assert.same({ "anna", "***", "***" }, logged("login", '["anna","hush",{"deep":["hush"]}]'))
    assert.same({ user = "anna", password = "***" }, logged("login", '{"user":"anna","password":"hush"}'))
  end)

  it("have none deep within either", function()
    assert.same({ { { Auth_Token = "***", a = { 1, { PASSWD = "***" } } } } },
      logged("any", '[[{"Auth_Token":"hush","a":[1,{"PASSWD":"hush"}]}]]'))
    assert.same({ harp.array{}, {}, harp.null, 1.5 }, logged("any", "[[],{},null,1.5]"))
  end)

  it("have none of what the option `secret` names", function()
    assert.same({ "***", "here", "***", "***" }, logged("hide", '["hush","here","hush",["hush"]]'))
    assert.same({ plan = "***", place = { plan = "b" } }, logged("hide", '{"plan":"hush","place":{"plan":"b"}}'))
  end)

  it("can be nested deeper than the log has them", function()
    local other = harness.daemon{ procedures = "procedure('p', function(a) return type(a) end)" }
    assert.same({ result = "table" }, call(other, "p", ("["):rep(200) .. ("]"):rep(200))[2])
    other:stop()
  end)

  it("are not there at all above debug", function()
    local quiet = harness.daemon{ procedures = "procedure('p', function(a) return a end)" }
    call(quiet, "p", '["in the clear"]')
    assert.is_nil(harness.read(quiet.log):find("clear", 1, true))
    quiet:stop()
  end)
end)
