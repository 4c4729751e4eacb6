-- Tasks, and coroutines of the user's own inside them.

local harness = require "spec.support.harness"
local harp = require "harp"

-- Runs a function as a script would be: in a task, under harp and lua5.4.
local function in_task(fn)
  return function() return harp.run(fn) end
end

describe("a task", function()
  it("returns its results to whoever joins it", in_task(function()
    local task = harp.spawn(function(...) harp.sleep(0.001) return ..., nil end, 1, "two")
    assert.same(table.pack(1, nil), table.pack(task:join()))
    assert.same(table.pack(1, nil), table.pack(task:join()))
  end))

  it("raises its error where it is joined", in_task(function()
    local task = harp.spawn(function() harp.sleep(0.001) error{ code = 7 } end)
    local ok, failure = pcall(task.join, task)
    assert.is_false(ok)
    assert.same({ code = 7 }, failure)
  end))

  it("waits without holding up the others", in_task(function()
    local order = {}
    local slow = harp.spawn(function() harp.sleep(100) order[#order + 1] = "slow" end)
    local fast = harp.spawn(function() harp.sleep(0.01) order[#order + 1] = "fast" end)
    fast:join()
    assert.same({ "fast" }, order)
    slow:cancel()
  end))

  it("is told where it waits that it was cancelled", in_task(function()
    local seen
    local task = harp.spawn(function()
      local _, failure = pcall(harp.sleep, 100)
      seen = failure
      harp.sleep(0.001)   -- and can still clean up
      return "cleaned up"
    end)
    harp.sleep(0.001)
    task:cancel()
    assert.equal("cleaned up", task:join())
    assert.is_true(harp.is_error(seen, "CancelledException"))
  end))

  it("never starts when it was cancelled before", in_task(function()
    local started = false
    local task = harp.spawn(function() started = true end)
    task:cancel()
    local ok, failure = pcall(task.join, task)
    assert.is_false(ok)
    assert.is_true(harp.is_error(failure, "CancelledException"))
    assert.is_false(started)
  end))

  it("cannot join itself", in_task(function()
    local task
    task = harp.spawn(function() task:join() end)
    local ok, failure = pcall(task.join, task)
    assert.is_false(ok)
    assert.truthy(failure:find "cannot join itself")
  end))

  it("that can never go on is a deadlock, and said to be one", function()
    harp.run(function()
      local a, b
      a = harp.spawn(function() b:join() end)
      b = harp.spawn(function() a:join() end)
      local ok, failure = pcall(a.join, a)
      assert.is_false(ok)
      assert.truthy(tostring(failure):find "deadlock")
      a:cancel()
      b:cancel()
    end)
  end)
end)

describe("harp.map", function()
  it("gives the results in order, and runs as many at once as it is told", in_task(function()
    local running, most = 0, 0
    local results = harp.map({ 5, 4, 3, 2, 1 }, function(n, index)
      running = running + 1
      most = math.max(most, running)
      harp.sleep(n / 500)
      running = running - 1
      return n * 10 + index
    end, { concurrency = 2 })
    assert.same({ 51, 42, 33, 24, 15 }, results)
    assert.equal(2, most)
  end))

  it("raises the first error and leaves nothing running", in_task(function()
    local went_on = false
    local ok, failure = pcall(harp.map, { 1, 2 }, function(n)
      if n == 2 then error("boom", 0) end
      harp.sleep(0.05)
      went_on = true
    end)
    assert.same({ false, "boom" }, { ok, failure })
    harp.sleep(0.1)
    assert.is_false(went_on)
  end))

  it("raises an error that comes before the others have begun, which they do not then", in_task(function()
    local begun = {}
    local ok, failure = pcall(harp.map, { 1, 2, 3 }, function(n)
      begun[#begun + 1] = n
      error("boom " .. n, 0)
    end)
    assert.same({ false, "boom 1" }, { ok, failure })
    assert.same({ 1 }, begun)
  end))

  it("takes an empty list, and refuses no concurrency", in_task(function()
    assert.same({}, harp.map({}, print))
    assert.is_false((pcall(harp.map, { 1 }, print, { concurrency = 0 })))
  end))
end)

describe("harp.all, any and timeout", function()
  it("wait for all, for the first, for so long", in_task(function()
    local function after(seconds, v)
      return harp.spawn(function() harp.sleep(seconds) return v end)
    end
    assert.same({ "a", "b" }, harp.all{ after(0.02, "a"), after(0.01, "b") })
    assert.same({}, harp.all{})
    local endless = after(100)
    local failing = harp.spawn(function() harp.sleep(0.001) error("boom", 0) end)
    assert.same({ false, "boom" }, { pcall(harp.all, { endless, failing }) })
    assert.is_true(harp.is_error(select(2, pcall(endless.join, endless)), "CancelledException"))
    endless = after(100)
    assert.is_true(harp.is_error(select(2, pcall(harp.timeout, 0.01, harp.all, { endless })), "TimeoutError"))
    assert.is_true(harp.is_error(select(2, pcall(endless.join, endless)), "CancelledException"))
    local slow = after(100, "slow")
    assert.equal("fast", harp.any{ slow, after(0.01, "fast") })
    assert.is_false((pcall(slow.join, slow)))
    assert.equal("in time", harp.timeout(5, function(v) harp.sleep(0.001) return v end, "in time"))
    local ok, failure = pcall(harp.timeout, 0.01, harp.sleep, 100)
    assert.is_false(ok)
    assert.is_true(harp.is_error(failure, "TimeoutError"))
    assert.truthy(select(2, pcall(harp.timeout, -1, print)):find "seconds must be")
  end))

  it("end what waits in place as well", in_task(function()
    local sort = function() table.sort({ 2, 1 }, function() harp.sleep(100) end) end
    local ok, failure = pcall(harp.timeout, 0.01, sort)
    assert.is_false(ok)
    assert.is_true(harp.is_error(failure, "TimeoutError"))
    assert.is_true(harp.is_error(select(2, pcall(harp.timeout, 0.01, function()
      for _ in coroutine.wrap(function() harp.sleep(100) end) do error "?" end
    end)), "TimeoutError"))
  end))

  it("leave alone what has ended, and what is not theirs", in_task(function()
    local outer = harp.spawn(harp.timeout, 0.01, function() harp.timeout(100, harp.sleep, 100) end)
    assert.is_true(harp.is_error(select(2, pcall(outer.join, outer)), "TimeoutError"))
    local own = harp.spawn(harp.timeout, 100, harp.sleep, 100)
    harp.sleep(0.001)
    own:cancel()
    assert.is_true(harp.is_error(select(2, pcall(own.join, own)), "CancelledException"))
  end))
end)

describe("where Lua cannot yield, or a coroutine is the user's own", function()
  it("a generator can wait", in_task(function()
    local ticks = 0
    harp.spawn(function() for _ = 1, 3 do harp.sleep(0.005) ticks = ticks + 1 end end)
    local list = {}
    for n in coroutine.wrap(function()
      for i = 1, 3 do harp.sleep(0.01) coroutine.yield(i) end
    end) do list[#list + 1] = n end
    assert.same({ 1, 2, 3 }, list)
    assert.is_true(ticks > 0)
  end))

  it("generators can be nested, and fail as Lua's own do", in_task(function()
    local outer = coroutine.wrap(function()
      local inner = coroutine.create(function() harp.sleep(0.001) coroutine.yield "inner" error "at the end" end)
      coroutine.yield(select(2, coroutine.resume(inner)))
      coroutine.yield(select(2, coroutine.resume(inner)))
      coroutine.yield(select(2, coroutine.resume(inner)))
    end)
    assert.equal("inner", outer())
    assert.truthy(outer():find "at the end")
    assert.equal("cannot resume dead coroutine", outer())
  end))

  it("a comparator, a metamethod and a pcall can wait", in_task(function()
    local list = { 3, 1, 2 }
    table.sort(list, function(a, b) harp.sleep(0.001) return a < b end)
    assert.same({ 1, 2, 3 }, list)
    local object = setmetatable({}, { __index = function(_, key) harp.sleep(0.001) return key .. "!" end })
    assert.equal("hello!", object.hello)
    assert.is_true(pcall(harp.sleep, 0.001))
    local generator = coroutine.wrap(function() harp.sleep(0.001) coroutine.yield(1) end)
    list = { 2, 1 }
    table.sort(list, function(a, b) generator = generator and generator() and nil return a < b end)
    assert.same({ 1, 2 }, list)
  end))

  it("a finalizer and a closing value can wait", in_task(function()
    local finalized, order = false, {}
    local function closer(fn) return setmetatable({}, { __close = fn }) end
    do
      local object = setmetatable({}, { __gc = function() harp.sleep(0.001) finalized = true end })
      object.used = true
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(finalized)
    local other = harp.spawn(function() order[#order + 1] = "other" end)
    do
      local closing <close> = closer(function() harp.sleep(0.005) order[#order + 1] = "closed" end)
      assert.truthy(closing)
    end
    assert.same({ "other", "closed" }, order)
    other:join()
    local ok, failure = pcall(function()
      local closing <close> = closer(function() harp.sleep(0.001) order[#order + 1] = "again" end)
      error(closing and "kept", 0)
    end)
    assert.same({ false, "kept", "again" }, { ok, failure, order[3] })
  end))

  it("an iterator, an operator and a message handler can wait", in_task(function()
    local function pause(...) harp.sleep(0.001) return ... end
    local object = setmetatable({}, {
      __add = function(_, n) return pause(n + 1) end, __call = function(_, n) return pause(n) end,
      __lt = function() return pause(true) end, __concat = function() return pause "concat" end,
      __len = function() return pause(7) end, __eq = function() return pause(true) end,
    })
    local twin = setmetatable({}, getmetatable(object))
    assert.same({ 3, 4, true, "concat", 7, true }, { object + 2, object(4), object < twin, object .. "x", #object,
      object == twin })
    local seen = {}
    for i in function(_, i) i = pause((i or 0) + 1) if i < 4 then return i end end do seen[#seen + 1] = i end
    assert.same({ 1, 2, 3 }, seen)
    assert.same({ false, "oh!" }, { xpcall(error, function(m) return pause(m .. "!") end, "oh") })
    assert.equal("<a><b>", (("ab"):gsub(".", function(c) return pause("<" .. c .. ">") end)))
  end))

  it("a coroutine keeps its manners: status, close, isyieldable, arguments", in_task(function()
    local co = coroutine.create(function(a, ...)
      harp.sleep(0.001)
      assert(coroutine.isyieldable())
      local b = coroutine.yield(a, select("#", ...))
      harp.sleep(0.001)
      local c = coroutine.yield(b)
      return c
    end)
    assert.same({ true, 1, 2 }, { coroutine.resume(co, 1, nil, nil) })
    assert.equal("suspended", coroutine.status(co))
    assert.same({ true, "b" }, { coroutine.resume(co, "b") })
    assert.is_true(coroutine.close(co))
    assert.equal("dead", coroutine.status(co))
    local task = harp.spawn(function() coroutine.yield() return "went on" end)
    assert.equal("went on", task:join())
  end))

  it("a coroutine that waits is resumed by its task, and by no other", in_task(function()
    local co = coroutine.create(function() harp.sleep(0.01) coroutine.yield "item" end)
    local function meddle(thread)
      if coroutine.status(thread) == "suspended" then return end        -- lua5.4 waits in place
      assert.equal("normal", coroutine.status(thread))
      assert.same({ false, "cannot resume non-suspended coroutine" }, { coroutine.resume(thread) })
      assert.is_false((pcall(coroutine.close, thread)))
    end
    local first, second = harp.spawn(coroutine.resume, co), harp.spawn(meddle, co)
    assert.same({ true, "item" }, { first:join() })
    second:join()
    local thread
    first = harp.spawn(function() thread = coroutine.running() harp.sleep(0.01) return "slept" end)
    second = harp.spawn(function() coroutine.resume(thread) end)
    second:join()
    pcall(first.join, first)
  end))

  it("a coroutine is told inside where the wait of a comparator is cancelled", in_task(function()
    local seen
    local task
    task = harp.spawn(function()
      local generator = coroutine.wrap(function()
        seen = select(2, pcall(task.join, harp.spawn(harp.sleep, 0.05)))
        coroutine.yield()
      end)
      table.sort({ 2, 1 }, function() generator() end)
      harp.sleep(0.001)
      generator()
    end)
    harp.sleep(0.01)
    task:cancel()
    task:join()
    assert.is_true(harp.is_error(seen, "CancelledException"))
  end))

  it("tasks that wait in comparators do not resume each other", in_task(function()
    local early, late = harp.spawn(harp.sleep, 0.02), harp.spawn(harp.sleep, 0.04)
    local function sort(seconds, task)
      harp.sleep(seconds)
      local generator = coroutine.wrap(function() task:join() coroutine.yield(1) end)
      table.sort({ 2, 1 }, function(x, y) generator = generator and generator() and nil return x < y end)
      harp.sleep(0.001)
      return "sorted"
    end
    local outer, inner = harp.spawn(sort, 0, early), harp.spawn(sort, 0.005, late)
    assert.same({ "sorted", "sorted" }, harp.all{ outer, inner })
  end))

  it("a wait in a comparator that ends and is cancelled at once ends once", in_task(function()
    local ended, task, cancelled = harp.spawn(harp.sleep, 0.01), nil, false
    harp.spawn(function() harp.sleep(0.01) task:cancel() cancelled = true end)
    task = harp.spawn(function()
      local generator = coroutine.wrap(function() ended:join() coroutine.yield() end)
      pcall(table.sort, { 2, 1 }, function() generator() end)
      repeat pcall(harp.sleep, 0.001) until cancelled   -- or here, under lua5.4
      return harness.seconds(function() harp.sleep(0.02) harp.sleep(0.02) end)
    end)
    assert.is_true(task:join() >= 0.038)
  end))

  it("a wait outside of all tasks holds up the caller alone", function()
    assert.is_true(harness.seconds(function() harp.sleep(0.02) end) >= 0.019)
    local done = false
    local task = harp.spawn(function() harp.sleep(0.005) done = true end)
    harness.eventually(function() harp.sleep(0.02) return done end)
    task:join()
  end)
end)
