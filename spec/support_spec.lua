-- What the other specs lean on does what it says: the proxy's harms, and the
-- habits of the stock look-alikes (protocol §1 and §2).

local harness = require "spec.support.harness"
local socket = require "socket"

local eventually, ask = harness.eventually, harness.ask

local UNKNOWN = "00000000-0000-0000-0000-000000000000"

describe("a stock look-alike", function()
  local stock

  setup(function() stock = harness.stock() end)
  teardown(harness.clean_up)

  local function submit(procedure, arguments, server, more)
    local lines = ask(server or stock, ('{"harpcaller":1,"host":"localhost","procedure":%q,"arguments":%s%s}\n'):format(
      procedure, arguments or "[]", more or ""))
    return assert(lines[1]:match '^{"harpcaller":1,"job_id":"([%x-]+)"}$')
  end

  local function about(operation, id, more, server)
    return ask(server or stock, ('{"harpcaller":1,%q:%q%s}\n'):format(operation, id, more or ""))
  end

  local function outcome(id, server) return about("get_result", id, ',"wait":true', server)[1] end

  local MISSING = '{"error":{"message":"job interrupted abruptly","type":"missing_result"}}'

  it("runs what it knows, and keeps outcomes and packets", function()
    assert.equal('{"result":3}', outcome(submit("sum", "[1,2]")))
    assert.equal('{"result":3}', outcome(submit("sum", '{"b":1,"a":2}')))
    assert.truthy(outcome(submit("fail")):find '"type":"paper"')
    assert.truthy(outcome(submit "no_such"):find "no_such_procedure")
    assert.truthy(outcome(submit("sum", "[1]")):find "invalid_argument_list")
    local id = submit("count", "[2]")
    assert.equal('{"result":{"msg":"end"}}', outcome(id))
    assert.same({ '{"packet":0,"data":{"i":1}}', '{"packet":1,"data":{"i":2}}', '{"result":{"msg":"end"}}' },
      about("read_stream", id))
    assert.same({ '{"packet":1,"data":{"i":2}}', '{"result":{"msg":"end"}}' },
      about("follow_stream", id, ',"recent":1'))
    assert.truthy(about("get_status", id)[1]:find('"time":{"end":%d+,"start":%d+,"submit":%d+}'))
  end)

  it("queues, cancels, and does not wait unless told to", function()
    local queue = ',"queue":{"name":{"q":1},"concurrency":1}'
    local first, second = submit("sleep", "[100]", nil, queue), submit("sleep", "[100]", nil, queue)
    assert.same({ '{"no_result":true}' }, about("get_result", first))
    assert.same({ '{"continue":true}' }, about("read_stream", first))
    assert.truthy(about("get_status", second)[1]:find '"start":null')
    assert.same({ '{"cancelled":true}' }, about("cancel", first))
    assert.same({ '{"cancelled":true}' }, about("get_result", first))
    assert.same({ '{"cancelled":false}' }, about("cancel", first))
    assert.truthy(about("get_status", second)[1]:find '"start":%d')
    assert.same({ '{"cancelled":true}' }, about("cancel", second))
  end)

  it("takes one timeout for both limits", function()
    local id = submit("sleep", "[100]", nil, ',"timeout":0.01,"max_exec_time":50')
    assert.truthy(outcome(id):find "reading result timed out")
  end)

  it("hangs up on what it does not know, without a word", function()
    for _, line in ipairs{
      '{"harpcaller":1,"get_result":"x","tag":1}', '{"harpcaller":1,"get_result":"x","get_result":"x"}',
      '{"harpcaller":1,"get_result":"x","cancel":"x"}', '{"harpcaller":1,"get_result":1}',
      '{"harpcaller":1.0,"get_result":"x"}', '{"get_result":"x"}', '{"harpcaller":1,"get_result":"x"',
      '{"harpcaller":1,"follow_stream":"x","since":0}', '{"harpcaller":1,"read_stream":"x"}',
      '{"harpcaller":1,"host":"localhost","procedure":"sum"}', "hello", "",
    } do
      local lines, closed = ask(stock, line .. "\n")
      assert.same({ 0, true }, { #lines, closed }, line)
    end
  end)

  it("knows no job for certain, which is how one says hello", function()
    for _, operation in ipairs{ "get_status", "get_result", "cancel" } do
      local lines, closed = about(operation, UNKNOWN)
      assert.same({ '{"error":{"message":"no such job","type":"invalid_jobid"}}' }, lines)
      assert.is_true(closed)
    end
  end)

  it("answers one request, and ignores what follows it", function()
    local line = ('{"harpcaller":1,"cancel":%q}\r\n'):format(UNKNOWN)
    assert.equal(1, #ask(stock, line .. line))
  end)

  it("writes floats long and integers whole, and dies of what its reader dies of", function()
    for sent, got in pairs{
      ["1.0"] = "1.00000000000000000000e+00", ["0.1"] = "1.00000000000000005551e-01",
      ["1.0e22"] = "1.00000000000000000000e+22", ["1"] = "1",
      ["123456789012345678901234567890"] = "123456789012345678901234567890",
      ['"\\u00e9\\n😀"'] = '"é\\u000a😀"', ["{}"] = "{}", ["[null,[]]"] = "[null,[]]",
    } do
      assert.equal('{"result":' .. got .. "}", outcome(submit("echo", "[" .. sent .. "]")))
    end
    for _, sent in ipairs{ "1e22", '"\\ud83d\\ude00"', '"\\/"' } do
      assert.same({}, ask(stock, '{"harpcaller":1,"host":"localhost","procedure":"echo","arguments":['
        .. sent .. "]}\n"))
    end
  end)

  -- A connection that ended by FIN still has a peer.
  local function was_reset(connection)
    local _, closed = harness.lines(connection)
    return closed and not connection:getpeername()
  end

  it("resets a request over 1 MiB, and sends a reply of any size", function()
    local connection = harness.connect(stock)
    connection:send('{"harpcaller":1,"get_result":"' .. ("x"):rep(1024 * 1024))
    assert.is_true(was_reset(connection))
    connection:close()
    assert.equal(3000013, #outcome(submit("text", "[3000000]")))
  end)

  it("answers waits wrongly, as often as it was told to", function()
    local wrong = harness.stock{ spurious = 2 }
    local id = submit("sum", "[1,2]", wrong)
    assert.equal(MISSING, outcome(id, wrong))
    assert.same({ MISSING }, about("follow_stream", id, "", wrong))
    assert.equal('{"result":3}', outcome(id, wrong))
    local late = harness.stock{ spurious = 1, at = "end" }
    id = submit("count", "[1,0.02]", late)
    assert.same({ '{"packet":0,"data":{"i":1}}', MISSING }, about("follow_stream", id, ',"since":0', late))
    assert.equal('{"result":{"msg":"end"}}', outcome(id, late))
  end)

  -- The numbers of the packets that a follow sees which begins behind the first one.
  local function followed(server)
    local id, numbers = submit("count", "[4,0.03]", server), {}
    eventually(function() return #about("read_stream", id, "", server) >= 2 end)
    for _, line in ipairs(about("follow_stream", id, ',"since":0', server)) do
      numbers[#numbers + 1] = line:match '"packet":(%d+)'
    end
    assert.equal(5, #about("read_stream", id, "", server))
    return table.concat(numbers, " ")
  end

  it("skips a packet of a stream that is followed as it runs", function()
    for expected, options in pairs{ ["0 1 2 3"] = {}, ["0 2 3"] = { skip = true }, ["0 2"] = { skip = "last" } } do
      local server = harness.stock(options)
      eventually(function() return followed(server) == expected end)    -- one may begin later
    end
  end)

  -- What becomes of a call that is to sleep so long.
  local function restarted(seconds, options)
    local server = harness.stock(options)
    local port = server.port
    local done, running = submit("count", "[1]", server), submit("sleep", ("[%s]"):format(seconds), server)
    assert.equal('{"result":{"msg":"end"}}', outcome(done, server))
    server:stop "KILL"
    server:restart()
    assert.equal(port, server.port)
    assert.equal(2, #about("read_stream", done, "", server))
    return outcome(running, server)
  end

  it("forgets unfinished jobs when it restarts, or runs them again", function()
    assert.equal(MISSING, restarted(100, { forgets = true }))
    assert.equal('{"result":"slept"}', restarted(0.1))
  end)

  describe("of the daemon", function()
    local daemon

    setup(function() daemon = harness.stock_daemon() end)

    local OLD = { mode = "client", protocol = "tlsv1", ciphers = "ALL:@SECLEVEL=0", verify = "none", options = "all" }

    local function call(line)
      local connection = harness.connect_tls(daemon, OLD)
      connection:send(line .. "\n")
      local lines = harness.lines(connection)
      connection:close()
      return lines
    end

    local function request(procedure, arguments, more)
      return ('{"harp":1,"procedure":%q,"arguments":%s,"auth":{"user":"tester","password":"secret"}%s}'):format(
        procedure, arguments, more or "")
    end

    it("speaks TLS 1.0 only", function()
      assert.is_false(pcall(harness.connect_tls, daemon))
      local connection = harness.connect_tls(daemon, OLD)
      assert.equal("TLSv1", connection:info "protocol")
      connection:close()
    end)

    it("answers calls, refusals and streams", function()
      assert.same({ '{"harp":1,"stream_result":false}', '{"result":5}' }, call(request("sum", "[2,3]", ',"x":1')))
      assert.same({ '{"harp":1,"stream_result":false}', '{"result":[1.0,0.1,1e+22]}' },
        call(request("echo", "[[1.0,0.1,1e22]]")))
      assert.same({ '{"harp":1,"stream_result":true}', '{"stream":{"i":1}}', '{"result":{"msg":"end"}}' },
        call(request("count", "[1]")))
      assert.truthy(call(request("fail", "[]"))[2]:find '"class":"Paper","module":"procedures"')
      assert.truthy(call(request("no_such", "[]"))[1]:find "no_such_procedure")
      assert.truthy(call '{"harp":1}'[1]:find "invalid_request")
      assert.truthy(call '{"harp":1,"procedure":"no_such","arguments":[],"auth":{}}'[1]:find "auth_error")
    end)
  end)
end)

describe("the proxy", function()
  local stock, proxy

  setup(function()
    stock = harness.stock()
    proxy = harness.proxy(stock)
  end)

  before_each(function()
    proxy:pass()
    proxy:cut_all()
  end)

  teardown(harness.clean_up)

  local REQUEST = ('{"harpcaller":1,"get_status":%q}\n'):format(UNKNOWN)
  local REPLY = '{"error":{"message":"no such job","type":"invalid_jobid"}}\n'

  -- Sends a request: what came back, and how it ended: "fin", "rst" or "timeout".
  local function exchange(connection, seconds)
    connection = connection or socket.connect("127.0.0.1", proxy.port)
    if not connection then return "", "rst" end   -- so early that it never was one
    connection:settimeout(seconds or harness.PATIENCE)
    connection:send(REQUEST)
    local text, reason, partial = connection:receive "*a"
    text = text or partial
    local how = reason == "timeout" and reason or connection:getpeername() and "fin" or "rst"
    connection:close()
    return text, how
  end

  local function passes() assert.same({ REPLY, "fin" }, { exchange() }) end

  -- Whether the server saw the request: the job is there.
  local function submitted(connection)
    local list = harness.read(stock.directory .. "/journal")
    connection:send '{"harpcaller":1,"host":"localhost","procedure":"sum","arguments":[1,2]}\n'
    local lines = harness.lines(connection)
    connection:close()
    return #harness.read(stock.directory .. "/journal") > #list, #lines
  end

  it("passes everything, many connections at once, and counts", function()
    local before, list = proxy:count(), {}
    for i = 1, 50 do list[i] = harness.connect(proxy) end
    eventually(function() return proxy:count().open == 50 end)
    for i = 50, 1, -1 do assert.same({ REPLY, "fin" }, { exchange(list[i]) }) end
    eventually(function() return proxy:count().open == 0 end)
    local after = proxy:count()
    assert.same({ 50, 50 * #REQUEST, 50 * #REPLY }, { after.made - before.made,
      after.from_client - before.from_client, after.from_server - before.from_server })
  end)

  it("passes on the end of one side, and a reset", function()
    local connection = harness.connect(proxy)
    connection:send(REQUEST)
    connection:shutdown "send"
    assert.equal(REPLY, (connection:receive "*a"))
    connection:close()
    connection = harness.connect(proxy)
    connection:send(("x"):rep(1024 * 1024 + 1))
    harness.lines(connection)
    assert.is_nil(connection:getpeername())
    connection:close()
  end)

  it("cuts after so many bytes, as often as told, by FIN or RST", function()
    proxy:cut{ after = 7, times = 2 }
    for _ = 1, 2 do assert.same({ REPLY:sub(1, 7), "fin" }, { exchange() }) end
    passes()
    proxy:cut{ after = 7, by = "rst" }
    assert.same({ REPLY:sub(1, 7), "rst" }, { exchange() })
    passes()
    proxy:cut{ after = #REPLY - 1, skip = 1 }
    passes()
    assert.same({ REPLY:sub(1, -2), "fin" }, { exchange() })
    proxy:cut{ lines = 1, by = "rst" }
    assert.same({ REPLY, "rst" }, { exchange() })
    proxy:cut()
    assert.equal("", (exchange()))
    passes()
  end)

  it("cuts within the request, which is not seen then", function()
    proxy:cut{ from = "client", after = 10 }
    assert.same({ false, 0 }, { submitted(harness.connect(proxy)) })
    passes()
  end)

  it("swallows the reply to a request that arrived", function()
    proxy:swallow()
    assert.same({ true, 0 }, { submitted(harness.connect(proxy)) })
    passes()
  end)

  it("harms connections that are open", function()
    local first, second = harness.connect(proxy), harness.connect(proxy)
    eventually(function() return proxy:count().open == 2 end)
    proxy:swallow{ now = true, by = "rst" }
    assert.same({ "", "rst" }, { exchange(first) })
    proxy:cut_all{ by = "rst" }
    assert.equal(0, proxy:count().open)
    assert.same({ "", "rst" }, { exchange(second) })
    passes()
  end)

  it("refuses, and listens again on the same port", function()
    proxy:refuse()
    assert.same({ nil, "connection refused" }, { socket.connect("127.0.0.1", proxy.port) })
    proxy:listen()
    passes()
    eventually(function()       -- it may be over before it is seen
      proxy:refuse{ seconds = 0.03 }
      return not socket.connect("127.0.0.1", proxy.port)
    end)
    local connection
    eventually(function() connection = socket.connect("127.0.0.1", proxy.port) return connection end)
    assert.equal(REPLY, (exchange(connection)))
  end)

  it("falls silent, at once or later, until it passes again", function()
    proxy:stall{ times = 2 }
    assert.same({ "", "timeout" }, { exchange(nil, 0.03) })
    local connection = harness.connect(proxy)
    connection:send(REQUEST)
    connection:settimeout(0.03)
    assert.equal("timeout", select(2, connection:receive "*l"))
    proxy:pass()
    connection:settimeout(harness.PATIENCE)
    assert.equal(REPLY, (connection:receive "*a"))
    connection:close()
    proxy:stall{ after = 5 }
    connection = harness.connect(proxy)
    connection:send(REQUEST)
    assert.equal(REPLY:sub(1, 5), (connection:receive(5)))
    connection:settimeout(0.03)
    assert.equal("timeout", select(2, connection:receive(1)))
    connection:close()
    passes()
  end)

  it("delays, and splits", function()
    proxy:delay{ seconds = 0.02 }
    local start = socket.gettime()
    passes()
    assert.is_true(socket.gettime() - start >= 0.04)
    proxy:pass()
    proxy:delay{ seconds = 0.002, from = "server" }
    proxy:split{ from = "server" }
    local function count_pieces()
      local connection = harness.connect(proxy)
      connection:send(REQUEST)
      connection:settimeout(0)
      local pieces, text = 0, ""
      repeat
        socket.select({ connection }, nil, 5)
        local _, reason, piece = connection:receive(#REPLY + 1)
        if piece ~= "" then pieces, text = pieces + 1, text .. piece end
      until reason == "closed"
      connection:close()
      assert.equal(REPLY, text)
      return pieces
    end
    eventually(function() return count_pieces() > #REPLY / 2 end)       -- some may come together
    proxy:pass()
    proxy:split{ random = 5 }
    passes()
  end)

  it("corrupts a byte", function()
    proxy:corrupt{ at = 3, byte = 33 }
    proxy:split()
    assert.equal(REPLY:sub(1, 3) .. "!" .. REPLY:sub(5), (exchange()))
    passes()
    proxy:corrupt()
    assert.equal("\255" .. REPLY:sub(2), (exchange()))
  end)

  it("drops connections that are idle", function()
    proxy:idle{ seconds = 0.05 }
    eventually(function() return (exchange()) == REPLY end)
    local start = socket.gettime()
    local connection = harness.connect(proxy)
    assert.same({ {}, true, "closed" }, { harness.lines(connection) })
    assert.is_true(socket.gettime() - start >= 0.04)
    connection:close()
  end)

  it("goes to another server", function()
    local other = harness.stock{}
    proxy:aim(other)
    other:stop()
    assert.same({ "", "rst" }, { exchange() })
    proxy:aim(stock)
    passes()
  end)

  it("refuses to be told what cannot be meant", function()
    assert.has_error(function() proxy:cut{ bytes = 1 } end, 'cut has no option "bytes"')
    assert.has_error(function() proxy:cut{ by = "luck" } end, "by must be fin or rst")
    assert.has_error(function() proxy:cut{ from = "both" } end, "cut cannot be from both")
  end)
end)
