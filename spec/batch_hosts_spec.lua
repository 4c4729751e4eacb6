-- Which hosts are meant: selections, as batches and `harp hosts` take them, the
-- groups of the configuration, and ranges in the names of a local daemon's hosts.

local harness = require "spec.support.harness"
local harp = require "harp"
local core = require "harp.core"
local hosts = require "harp.batch.hosts"
local ranges = require "harp.batch.ranges"

local quote = harness.quote

teardown(harness.clean_up)

local LIST = { "db01", "db02", "localhost", "web01", "web02", "web10", "Web-a", "odd name", "odd,name", "a%b" }

local GROUPS = {
  web = "web*", db = { "db01", "db02" }, both = "@web,@db", few = { "@both", "!web10" }, none = {},
  round = "web01,@about", about = { "@round" },
}

local function record_of(lists)
  return { list = function(_, word) return lists[word] end }
end

local function find_run(word)
  if word ~= "nightly-k3f9qa" then
    error(core.error{ kind = "UsageError", type = "no_run", message = "no " .. word }, 0)
  end
  return record_of{ failed = { "db02", "odd,name" }, ok = {}, all = { "db01", "db02", "odd,name" } }
end

local function options(more)
  local all = { list = function() return LIST end, groups = GROUPS, run = find_run }
  for name, v in pairs(more or {}) do all[name] = v end
  return all
end

local function expand(selection, more) return hosts.expand(selection, options(more)) end

-- The hosts, with bars between.
local function meant(selection, more) return table.concat(expand(selection, more), "|") end

-- What is wrong with a selection.
local function complaint(selection, more)
  local failure = harness.raised(expand, selection, more)
  assert.is_true(harp.is_error(failure, "UsageError"), tostring(failure))
  assert.equal("hosts", failure.type)
  return failure.message
end

local function has(text, part) assert.truthy(text:find(part, 1, true), ("%q is not in: %s"):format(part, text)) end

describe("a selection of hosts", function()
  it("is names, known or not, each once, in the order of their mention", function()
    for selection, list in pairs{
      ["web02"] = "web02", ["web02,nix,web01,nix"] = "web02|nix|web01", [" a\tb,\n,c "] = "a|b|c",
      ["10.0.0.1,fe80::1,a.example.net"] = "10.0.0.1|fe80::1|a.example.net", ["日本"] = "日本",
    } do assert.equal(list, meant(selection)) end
    assert.equal("b|a|c", meant{ "b", "a,b", { "c" } })
  end)

  it("has ranges", function()
    for selection, list in pairs{
      ["web[1-3]"] = "web1|web2|web3", ["web[01-03]"] = "web01|web02|web03", ["web[08-11]"] = "web08|web09|web10|web11",
      ["w[098-100]"] = "w098|w099|w100", ["w[9-11]"] = "w9|w10|w11", ["w[5]"] = "w5", ["w[0-1]"] = "w0|w1",
      ["w[1-2,05,9]x,y"] = "w1x|w2x|w05x|w9x|y", ["[1-2]"] = "1|2", ["w[ 1 - 2 , 4 ]"] = "w1|w2|w4",
      ["r[1-2]n[1-2].net"] = "r1n1.net|r1n2.net|r2n1.net|r2n2.net", ["[1-2][3-4]"] = "13|14|23|24",
      ["100%[1-2]%d"] = "100%1%d|100%2%d",
    } do assert.equal(list, meant(selection)) end
  end)

  it("says what is wrong with a range", function()
    for selection, text in pairs{
      ["w[20-01]"] = "w[20-01]: '20-01' goes down", ["w[a-b]"] = "'a-b' must be a number", ["w[]"] = "'' must be",
      ["w[1,]"] = "'' must be a number", ["w[1"] = "w[1: a bracket", ["w]1"] = "a bracket", ["w[[1]]"] = "a bracket",
      ["w[1-020]"] = "zeros in front of one number only", ["w[1-100001]"] = "means more than 100000",
      ["w[1-1000]x[1-1000]"] = "means more than 100000", ["w[1-99999999999999999999]"] = "more than 15 digits",
      ["a[1-60000],b[1-60000]"] = "more than 100000 hosts", ["w[1:3]"] = "'1:3' must be a number",
    } do has(complaint(selection), text) end
  end)

  it("has globs over the hosts of the dispatcher", function()
    for selection, list in pairs{
      ["web*"] = "web01|web02|web10", ["web0?"] = "web01|web02", ["*0?"] = "db01|db02|web01|web02", ["?eb-a"] = "Web-a",
      ["a%*"] = "a%b", ["web[01-03]*"] = "web01|web02", ["odd?name"] = "odd name|odd,name",
      ["db*,web01,d*"] = "db01|db02|web01",
    } do assert.equal(list, meant(selection)) end
    for _, selection in ipairs{ "all", "*" } do assert.same(LIST, expand(selection)) end
    has(complaint "q*", "q*: no host of the dispatcher has such a name")
    has(complaint("*", { list = function() return {} end }), "the dispatcher knows no host")
    assert.equal("q*: none of the batch's hosts has such a name", complaint("q*", { what = "the batch's hosts" }))
    assert.equal("q*: none of the batch's hosts has such a name",
      harness.raised(require "harp.batch.select", "q*", function() return LIST end, "the batch's hosts").message)
  end)

  it("asks the dispatcher once, and only when it has to", function()
    local asked = 0
    local function list()
      asked = asked + 1
      return LIST
    end
    expand("web[01-03],@db,!web02,!w*,db01", { list = list })
    assert.equal(0, asked)
    expand("web*,db*,!web01", { list = list })
    assert.equal(1, asked)
  end)

  it("says that a dispatcher cannot list, and hands on what else is wrong with it", function()
    local failure = core.error{ kind = "UsageError", type = "unsupported", message = "it cannot" }
    local function list() error(failure, 0) end
    for _, selection in ipairs{ "web*", "all", "!web01", "&web01" } do
      has(complaint(selection, { list = list }), selection .. ": this dispatcher cannot list its hosts")
    end
    assert.equal("web01|web03", meant("web[01-03],!web02", { list = list }))
    assert.equal("web02", meant("web[01-03],&*2", { list = list }))
    failure = core.error{ kind = "CommunicationError", type = "econnrefused", message = "no" }
    assert.equal(failure, harness.raised(expand, "all", { list = list }))
  end)

  it("takes hosts away with !, and keeps some with &, of those before", function()
    for selection, list in pairs{
      ["web*,!web02"] = "web01|web10", ["web*,!web02,web02"] = "web01|web10|web02",
      ["web[1-5],!web[2-4]"] = "web1|web5", ["x1,x2,y1,!x*"] = "y1",
      ["web*,&*1*"] = "web01|web10", ["web*,db*,&@db"] = "db01|db02", ["a,b,!zz"] = "a|b",
      ["!web*,!*odd*,!a*"] = "db01|db02|localhost|Web-a", ["&@db"] = "db01|db02", ["a1,!a1,a1"] = "a1",
    } do assert.equal(list, meant(selection)) end
    assert.equal("web01|web10", meant{ "web*", "!web02" })
    has(complaint "web*,!bd*", "bd*: none of the hosts before it has such a name")
    for _, selection in ipairs{ "!", "a,!", "a,!!b", "a,&!b" } do
      has(complaint(selection), "must stand before a word")
    end
  end)

  it("never takes all for what has become nothing", function()
    for _, selection in ipairs{ "@none,!web01", "web01,!web01,!web02", "web01,!web01,&web02" } do
      has(complaint(selection), "no host is meant")
    end
  end)

  it("has groups, made of others too", function()
    for selection, list in pairs{
      ["@web"] = "web01|web02|web10", ["@db"] = "db01|db02", ["@both"] = "web01|web02|web10|db01|db02",
      ["@few"] = "web01|web02|db01|db02", ["all,&@few,!@db"] = "web01|web02", ["x,@none"] = "x", ["x,!@none"] = "x",
    } do assert.equal(list, meant(selection)) end
    has(complaint "@round", "@round is part of itself: @round → @about → @round")
    has(complaint "@nix", "there is no group @nix: there are @about, @both")
    has(complaint("@nix", { groups = {} }), "there is no group @nix: the configuration has none")
    has(complaint "@none", "the group @none has no host")
  end)

  it("has hosts of earlier runs", function()
    assert.equal("db02|odd,name", meant "@nightly-k3f9qa:failed")
    assert.equal("db01", meant "@nightly-k3f9qa:all,!@nightly-k3f9qa:failed")
    assert.equal("x", meant "x,!@nightly-k3f9qa:ok")
    has(complaint "@nightly-k3f9qa:ok", "the run nightly-k3f9qa has no host that is ok")
    has(complaint "all,&@nightly-k3f9qa:ok", "the run nightly-k3f9qa has no host that is ok")
    has(complaint "@nightly-k3f9qa:nix", "'nix' means no hosts of a run: write all, failed")
    has(complaint "@nightly-k3f9qa:", "'' means no hosts of a run")
    local failure = harness.raised(expand, "@nix:failed")
    assert.equal("no_run", failure.type)
  end)

  it("has files, a selection in each line", function()
    local directory = harness.directory()
    local function file(name, text) return harness.write(directory .. "/" .. name, text) end
    local path = file("hosts", "# those of rack 1\nweb[01-02]\t# two\r\n\n  db01, db02\n!web02\n#\nx#1")
    assert.equal("web01|db01|db02|x#1", meant(path))
    assert.equal("web02", meant("web*,!" .. path .. ",!web10"))
    assert.equal("web01|db01|db02|x#1|y", meant(file("outer", path .. "\ny")))
    local own = directory .. "/own"
    file("own", "a\n" .. own)
    has(complaint(own), own .. " is part of itself")
    has(complaint(file("empty", "# nothing\n")), "empty has no host in it")
    has(complaint(directory .. "/nix"), "cannot read hosts from " .. directory .. "/nix: No such file")
    has(complaint(directory .. "/"), "Is a directory")
  end)

  it("refuses what is none", function()
    for _, selection in ipairs{ "", " , ", {} } do has(complaint(selection), "no host is meant") end
    has(complaint(7), "a text or a list, not a number")
    has(complaint{ "a", true }, "a text or a list, not a boolean")
  end)

  it("can be names as they are", function()
    local names = { "odd,name", "@x", "!y", "w[1-2]", "*", "-", "a/b" }
    assert.same(names, expand(hosts.names{ table.unpack(names) }))
    assert.equal("a|odd,name", meant{ "a", hosts.names{ "odd,name", "a" } })
  end)

  it("is soon made of 10,000 hosts", function()
    local list = {}
    for i = 1, 10000 do list[i] = ("web%05d"):format(i) end
    local words = {}
    for i = 1, 9990 do words[i] = "!" .. list[i] end
    local found = expand("all," .. table.concat(words, ","), { list = function() return list end })
    assert.equal("web[09991-10000]", hosts.fold(found))
    assert.equal("web[00001-10000]", hosts.fold(expand("web[00001-10000],all", { list = function() return list end })))
  end)
end)

describe("names folded", function()
  local function fold(...) return hosts.fold{ ... } end

  it("are ranges, where they differ in a number", function()
    assert.equal("web[001-003,025],db01", fold("web001", "web025", "db01", "web003", "web002"))
    assert.equal("a[1-2]b[1-2],x", fold("a1b1", "a1b2", "a2b1", "a2b2", "x"))
    assert.equal("h[01-02].dc1,h09.dc2", fold("h01.dc1", "h02.dc1", "h09.dc2"))
    assert.equal("w[9-10]", fold("w10", "w9"))
    assert.equal("w[1,01,001]", fold("w001", "w1", "w01"))
    assert.equal("w[099-101]", fold("w101", "w100", "w099"))
    assert.equal("a,b1", fold("a", "b1", "a", "b1"))
    assert.equal("", fold())
  end)

  it("leave whole what is no plain name", function()
    assert.equal("w[1-2],[1-3],a1 b,a1\1", fold("w1", "[1-3]", "a1 b", "w2", "a1\1"))
    assert.equal("w" .. ("1"):rep(20), fold("w" .. ("1"):rep(20)))
  end)

  it("mean the same hosts", function()
    for _ = 1, 300 do
      local names, known = {}, {}
      for _ = 1, 40 do
        local name = ("%s%0" .. math.random(3) .. "d%s"):format(("ab"):sub(math.random(2)), math.random(0, 120),
          ({ "", "-" .. math.random(3), ".x" })[math.random(3)])
        if not known[name] then names[#names + 1], known[name] = name, true end
      end
      local back = assert(ranges.names(hosts.fold(names)))
      table.sort(names)
      table.sort(back)
      assert.same(names, back)
    end
  end)
end)

describe("harp hosts", function()
  local daemon, dispatcher, stock, home

  setup(function()
    daemon = harness.daemon()
    dispatcher = harness.dispatcher{ daemon = daemon, settings = "hosts['bad\\27name'] = hosts.web01" }
    stock = harness.stock()
    home = harness.directory()
    os.execute(("mkdir -p %s/harp"):format(home))
  end)

  local function run(arguments, input, address)
    local before = input and "printf %s " .. quote(input) .. " | " or ""
    local environment = ("XDG_CONFIG_HOME=%s XDG_STATE_HOME=%s HARP_CALLER=%s"):format(
      home, home, address or dispatcher.address)
    local output, status = harness.shell(("%s%s %s hosts %s 2>&1"):format(
      before, environment, harness.program, arguments))
    return output, status
  end

  -- The names, and the addresses where there are some.
  local function list(...)
    local output, status = run(...)
    assert.equal(0, status, output)
    local names, addresses = {}, {}
    for line in output:gmatch "[^\n]+" do
      local host = harp.decode(line)
      names[#names + 1], addresses[host.name] = host.name, host.address
    end
    return table.concat(names, " "), addresses
  end

  it("tells whom a selection means, and their addresses where they have one", function()
    harness.write(home .. "/harp/config.lua", "groups = { web = 'web[01-20]', here = { '@web', 'localhost' } }")
    local names, addresses = list "'@here,&web*' '!web0[3-9]' '!web[10-20]' nix"
    assert.equal("web01 web02 nix", names)
    assert.same({ web01 = "127.0.0.1:" .. daemon.port, web02 = "127.0.0.1:" .. daemon.port }, addresses)
    assert.equal("web02 a", (list("'web0*' - '!web01'", "a # b\n")))
    assert.equal("web01", (list("web01", nil)))
  end)

  it("folds them, and does nothing to a terminal", function()
    assert.same({ "bad\\x1bname,localhost,nowhere,refused,web[01-02]\n", 0 }, { run "--fold" })
    assert.same({ "web[01-03,07]\n", 0 }, { run "--fold 'web0[1-3],web07'" })
  end)

  it("says in one line what is wrong, with 2", function()
    for arguments, text in pairs{
      ["'q*'"] = "hosts: q*: no host of the dispatcher has such a name", ["@nix"] = "there is no group @nix",
      ["@nix:failed"] = "there is no run nix", ["'w[3-1]'"] = "'3-1' goes down",
      ["a,-,-"] = "standard input can be read once",
      ["/nix"] = "cannot read hosts from /nix: No such file or directory",
    } do
      local output, status = run(arguments, "a")
      assert.equal(2, status, output)
      has(output, text)
      assert.truthy(output:find "^harp hosts: [^\n]*\n$", output)
    end
  end)

  it("has names and ranges of a stock dispatcher, which cannot list", function()
    local names, addresses = list("'web[01-03],!*2'", nil, stock.address)
    assert.same({ "web01 web03", {} }, { names, addresses })
    local output, status = run("'web*'", nil, stock.address)
    assert.equal(2, status)
    has(output, "web*: this dispatcher cannot list its hosts")
  end)
end)

describe("groups of the configuration", function()
  local home, system

  before_each(function()
    home = harness.directory()
    system = home .. "/system.lua"
    os.execute(("mkdir -p %s/harp"):format(home))
  end)

  local function run(arguments)
    return harness.shell(("XDG_CONFIG_HOME=%s HARP_SYSTEM_CONFIG=%s %s %s 2>&1"):format(
      home, system, harness.program, arguments))
  end

  local function configure(text) return harness.write(home .. "/harp/config.lua", text) end

  it("are the user's over the machine's, and shown by harp config", function()
    local path = configure "groups = { web = 'web[01-20]', db = { 'db01', '@old' } }"
    harness.write(system, "groups = { web = 'other', old = 'db9*' }")
    local rows = {}
    for line in run "config --json":gmatch "[^\n]+" do
      local row = harp.decode(line)
      rows[row.setting] = { row.value, row.from }
    end
    assert.same({ { "web[01-20]", path }, { "db01,@old", path }, { "db9*", system } },
      { rows["groups.web"], rows["groups.db"], rows["groups.old"] })
    assert.equal('{"db":["db01","@old"],"old":"db9*","web":"web[01-20]"}\n', (run(
      [[-e 'require "harp" print(require "harp.cli.show".json(require "harp.settings".groups()))']])))
  end)

  it("are refused when they cannot be any", function()
    for text, message in pairs{
      ["groups = 'web'"] = "groups: must be a table", ["groups = { 'web' }"] = "groups.1: must be",
      ["groups = { web = 7 }"] = "groups.web: must be a selection of hosts",
      ["groups = { web = { 'a', 7 } }"] = "groups.web: must be a selection",
      ["groups = { web = { a = 'b' } }"] = "groups.web: must be a selection",
      ["groups = { ['a:b'] = 'x' }"] = '"a:b" is no name of a group',
    } do
      configure(text)
      local output, status = run "config"
      assert.equal(2, status)
      has(output, message)
    end
  end)

  it("are completed, and the names of hosts in selections", function()
    configure "groups = { web = 'web[01-20]', west = 'a', db = 'b' }"
    local function complete(word)
      local list = {}
      for line in run("complete -- hosts --caller 127.0.0.1:1 " .. quote(word)):gmatch "[^\n]+" do
        list[#list + 1] = line:match "^[^\t]*"
      end
      return list
    end
    assert.same({ "@web", "@west" }, complete "@we")
    assert.same({ "a,b*,!@db" }, complete "a,b*,!@d")
    local daemon = harness.daemon()
    local dispatcher = harness.dispatcher{ daemon = daemon }
    -- (a dispatcher that does not answer within a second is not waited for)
    harness.eventually(function()
      return run(("complete -- hosts --caller %s '@web,!w'"):format(dispatcher.address))
        :find "^@web,!web01\t[^\n]*\n@web,!web02\t[^\n]*\n$"
    end)
  end)
end)

describe("--hosts of a stack of one's own", function()
  local function names(selection)
    local code = [[
      local names = {}
      for host in require "harp".caller():hosts() do names[#names + 1] = host.name end
      table.sort(names)
      print(table.concat(names, " "))]]
    return harness.shell(("%s --local --hosts %s -e %s 2>&1"):format(harness.program, quote(selection), quote(code)))
  end

  it("can have ranges", function()
    for selection, list in pairs{
      ["web[01-03],db"] = "db localhost web01 web02 web03",
      ["a[1-2,7]b[1-2]"] = "a1b1 a1b2 a2b1 a2b2 a7b1 a7b2 localhost",
      ["a,,a,localhost"] = "a localhost", ["%d\"\\n[1-2]"] = "%d\"\\n1 %d\"\\n2 localhost",
    } do assert.same({ list .. "\n", 0 }, { names(selection) }) end
  end)

  it("are called under all of these names, by thousands too", function()
    local code = [[
      local harp, count = require "harp", 0
      for _ in harp.caller():hosts() do count = count + 1 end
      print(count, harp.caller().web5000.sum_and_difference(2, 1):get().sum)]]
    assert.same({ "5001\t3\n", 0 },
      { harness.shell(("%s --local --hosts 'web[0001-5000]' -e %s 2>&1"):format(harness.program, quote(code))) })
  end)

  it("are refused before anything starts, when a range is none", function()
    for selection, text in pairs{
      ["web[3-1]"] = "--hosts: web[3-1]: '3-1' goes down", ["web[1"] = "--hosts: web[1: a bracket",
      ["web[1-200000]"] = "means more than 100000 names", ["a[1-60000],b[1-60000]"] = "more than 100000 names",
    } do
      for name, command in pairs{
        run = "--local --hosts %s -e 'print(1)'", ["local"] = "local --hosts %s", repl = "repl --local --hosts %s",
      } do
        local output, status = harness.shell(("XDG_STATE_HOME=/nix %s %s 2>&1 </dev/null"):format(
          harness.program, command:format(quote(selection))))
        assert.equal(2, status, output)
        has(output, text)
        has(output, "; see harp " .. name .. " --help\n")
      end
    end
  end)

  it("are told of as they were given", function()
    local home = harness.directory()
    local function run(arguments)
      return harness.shell(("XDG_STATE_HOME=%s XDG_RUNTIME_DIR=%s %s local %s 2>&1"):format(
        home, home, harness.program, arguments))
    end
    local output, status = run "--background --hosts 'web[01-20,30],db'"
    assert.equal(0, status, output)
    finally(function() run "--stop" end)
    has((run "--status"), "hosts       localhost, web[01-20,30], db\n")
  end)
end)
