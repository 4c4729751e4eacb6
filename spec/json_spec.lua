-- JSON ⇄ Lua without loss.

local harp = require "harp"

describe("values", function()
  local unchanged = {
    "9007199254740993", "9223372036854775807", "-9223372036854775808", "1", "1.0", "-0.0", "0", "0.1", "1.0e-7",
    "1.0e22", "1.7976931348623157e308", [["\u0000"]], [["😀"]], [["a/b"]], [["\"\\\n\t"]],
    "[]", "{}", "[null]", "[[],{},[{}]]", [[{"a":[1,1.0,null,true,"x"]}]], "null", "true", "false",
  }
  for _, text in ipairs(unchanged) do
    it("go through Lua unchanged: " .. text, function()
      assert.equal(text, harp.encode(harp.decode(text)))
    end)
  end

  local rewritten = {
    ["1e22"] = "1.0e22", ["1e-7"] = "1.0e-7", ["1.00000000000000000000e+00"] = "1.0", ["-0"] = "-0.0",
    ["18446744073709551616"] = "1.8446744073709552e19", [ [["\ud83d\ude00\/"]] ] = [["😀/"]], [" [ 1 ] "] = "[1]",
    [ [["\u001f"]] ] = [["\u001F"]],
  }
  for text, expected in pairs(rewritten) do
    it("keep their value where the text changes: " .. text, function()
      assert.equal(expected, harp.encode(harp.decode(text)))
    end)
  end

  it("keep integers and floats apart", function()
    assert.equal("integer", math.type(harp.decode "1"))
    assert.equal("float", math.type(harp.decode "1.0"))
    assert.equal(math.maxinteger, harp.decode "9223372036854775807")
  end)

  it("come back as the same float, whatever it is", function()
    math.randomseed(1)
    for _ = 1, 20000 do
      local float = string.unpack("d", string.pack("j", math.random(0)))
      if float == float and float ~= math.huge and float ~= -math.huge then
        assert.equal(float, harp.decode(harp.encode(float)))
      end
    end
  end)

  local comma     -- a locale that has one for a point, where one is installed
  for _, name in ipairs{ "de_DE.UTF-8", "fr_FR.UTF-8", "pl_PL.UTF-8", "ru_RU.UTF-8" } do
    comma = comma or os.setlocale(name, "numeric") and os.setlocale("C", "numeric") and name
  end
  if comma then
    it("have a point under " .. comma, function()
      os.setlocale(comma, "numeric")
      local text, back = harp.encode{ 1.5, 1e22 }, harp.decode "[1.5,1.0e22]"
      os.setlocale("C", "numeric")
      assert.equal("[1.5,1.0e22]", text)
      assert.same({ 1.5, 1e22 }, { back[1], back[2] })
    end)
  end

  it("have a null that is the same as cjson's", function()
    assert.equal(require "cjson".null, harp.null)
    assert.equal(harp.null, harp.decode "null")
  end)

  it("tell arrays from objects, empty ones too", function()
    assert.equal("[]", harp.encode(harp.array{}))
    assert.equal("{}", harp.encode{})
    assert.equal("[1,2]", harp.encode{ 1, 2 })
    assert.is_true(harp.is_array(harp.decode "[]"))
    assert.is_false(harp.is_array(harp.decode "{}"))
  end)
end)

describe("what JSON cannot carry", function()
  local cycle = {}
  cycle.list = { cycle }
  local deep = {}
  for _ = 1, 200 do deep = { deep } end
  local refused = {
    { { a = { 1, print } }, "value.a[2] cannot be JSON: a function" },
    { cycle, "value.list[1] cannot be JSON: a table that contains itself" },
    { { 1, nil, 3 }, "holes" },
    { { 1, 2, x = 3 }, "holes or other keys" },
    { { [1.5] = 1 }, "keys that are not strings" },
    { 0 / 0, "NaN" },
    { math.huge, "infinity" },
    { { "\xff" }, "value[1] cannot be JSON: a string that is not UTF-8" },
    { { ["\xff"] = 1 }, "key that is not UTF-8" },
    { coroutine.create(print), "coroutine" },
    { deep, "127 levels" },
  }
  for _, case in ipairs(refused) do
    it("is a clear error: " .. case[2], function()
      local ok, failure = pcall(harp.encode, case[1])
      assert.is_false(ok)
      assert.is_true(harp.is_error(failure, "UsageError"))
      assert.equal("invalid_value", failure.type)
      assert.truthy(failure.message:find(case[2], 1, true), failure.message)
      assert.equal("[1]", harp.encode{ 1 })   -- and nothing of it is left
    end)
  end
end)

describe("where in a value it is", function()
  it("is said in whole characters, without controls", function()
    for length = 70, 90 do
      local _, failure = pcall(harp.encode, { [("x"):rep(length % 2) .. ("é"):rep(length)] = { print } })
      assert.truthy(utf8.len(failure.message))
      assert.truthy(failure.message:find("éé…[1] cannot be JSON: a function", 1, true), failure.message)
    end
    local _, failure = pcall(harp.encode, { ["a\0\27b"] = print })
    assert.equal("value.a??b cannot be JSON: a function", failure.message)
  end)

  it("is cut from the inside", function()
    local value = print
    for i = 100, 1, -1 do value = { ["é" .. i] = value } end
    local _, failure = pcall(harp.encode, value)
    assert.truthy(utf8.len(failure.message))
    assert.truthy(failure.message:find "^value%.é1%.é2%.é3.*%.é30.*… cannot be JSON: a function$", failure.message)
  end)
end)

describe("texts that are not JSON", function()
  local broken = {
    "", " ", "nul", "[1,]", "[1 2]", "{1:2}", '{"a"}', "01", "1.", ".5", "+1", "NaN", "'a'", '"\\x"', '"\\ud800"',
    '"\\ude00"', '"\\ud800\\u0041"', '"\xff"', '"\xed\xa0\x80"', '"a\nb"', "[1]]", "[1] [2]", "\f1", "1e400", "// 1",
    "[" .. ("["):rep(2000), '"abc', "\0", '1 "', '[]"abc', '{} "', "1 tru", "[]-",
  }
  for _, text in ipairs(broken) do
    it(("are refused: %q"):format(text:sub(1, 20)), function()
      local ok, failure = pcall(harp.decode, text)
      assert.is_false(ok)
      assert.is_true(harp.is_error(failure, "UsageError"))
      assert.equal("parse_error", failure.type)
    end)
  end
end)
