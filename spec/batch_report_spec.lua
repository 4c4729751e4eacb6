-- The report of a run: a page, as its text is and as a browser shows it, and
-- JUnit's XML.

local harp = require "harp"
local new_record = require "harp.batch.record"
local report = require "harp.batch.report"
local junit = require "harp.batch.junit"
local markup = require "harp.batch.markup"
local replace_file = require "harp.batch.replace_file"
local harness = require "spec.support.harness"

local function is_there(program)
  local _, status = harness.shell("command -v " .. program)
  return status == 0
end

-- ---- runs ----

local BEGUN = 1750946600.25

-- A record of hosts in waves: `ends` has, by the number of a host, the fields of
-- its end event, or is a function of the number; true leaves it out.
local function run_of(names, waves, ends, more)
  local record = new_record()
  local event = { event = "run", format = 1, run = "restart-k3f9qa", name = "restart", hosts = names, waves = waves,
    caller = "localhost:3502", options = "concurrency 50", time = BEGUN }
  for name, v in pairs(more or {}) do event[name] = v end
  record:apply(event)
  local at = 0
  for wave, size in ipairs(waves) do
    record:apply{ event = "wave", wave = wave, time = BEGUN + wave }
    for i = at + 1, at + size do
      local name, last = names[i], ends(i)
      if last then
        local start = BEGUN + wave + i / 100
        record:apply{ event = "start", host = name, attempt = 1, time = start }
        record:apply{ event = "call", host = name, key = name, procedure = "restart", time = start }
        record:apply{ event = "job", host = name, key = name, job = "job-of-" .. i, time = start }
        last.event, last.host, last.time, last.attempts = "end", name, start + 1.5, last.attempts or 1
        if last.outcome then record:apply(last) end
      end
    end
    at = at + size
  end
  record:apply{ event = "finish", time = BEGUN + 60 }
  return record
end

local HOSTILE = "</script></style><script>document.documentElement.dataset.failed='x'</script>"
  .. "<img src=//example.net/x onerror=alert(1)>'\"&\0\27[31m\xff\u{202e}\r\n]]>"

local function three()
  return run_of({ "web01", "web02", "db<b>\"'&01" }, { 1, 2 }, function(i)
    if i == 1 then
      return { outcome = "ok", value = { version = "1.24.0", ports = { 80, 443 }, [HOSTILE] = HOSTILE },
        packets = { "one", { HOSTILE } }, count = 2 }
    end
    if i == 2 then return { outcome = "exception", message = HOSTILE, type = HOSTILE, attempts = 3 } end
    return { outcome = "not_reached" }
  end, { name = HOSTILE, options = { HOSTILE, retries = 2 }, program = HOSTILE, caller = HOSTILE })
end

local LINE = "a line that every host says\n"
local TEN_KIB = LINE:rep(10 * 1024 // #LINE)

local OUTCOMES = { "unknown", "unreachable", "timeout", "error", "exception", "cancelled" }

local function numbered(count)
  local names = {}
  for i = 1, count do names[i] = ("web%04d.example.net"):format(i) end
  return names
end

-- Twelve have failed, one differs, five were not reached.
local big, big_page
local function two_thousand()
  big = big or run_of(numbered(2000), { 1, 199, 1800 }, function(i)
    if i > 1995 then return nil end
    if i == 1000 then return { outcome = "ok", value = "another one" } end
    if i % 166 == 0 then
      return { outcome = OUTCOMES[i // 166 % 6 + 1], message = ("x"):rep(200) .. " of " .. i, attempts = 2 }
    end
    return { outcome = "ok", value = TEN_KIB }
  end)
  return big
end

local function page_of_two_thousand()
  big_page = big_page or report.html(two_thousand())
  return big_page
end

local function count(text, what)
  local _, found = text:gsub(what:gsub("%p", "%%%0"), "")
  return found
end

-- Of two colours, as WCAG 2 has it.
local function contrast(one, other)
  local function luminance(digits)
    if #digits == 3 then digits = digits:gsub(".", "%0%0") end
    local sum = 0
    for i, weight in ipairs{ 0.2126, 0.7152, 0.0722 } do
      local part = tonumber(digits:sub(2 * i - 1, 2 * i), 16) / 255
      sum = sum + weight * (part <= 0.04045 and part / 12.92 or ((part + 0.055) / 1.055) ^ 2.4)
    end
    return sum + 0.05
  end
  local a, b = luminance(one), luminance(other)
  return math.max(a, b) / math.min(a, b)
end

-- ---- the text of the page ----

describe("the page of a run", function()
  local page
  setup(function() page = report.html(three()) end)

  it("shows what it was, and how its hosts ended, in words", function()
    local text = report.html(run_of({ "a", "b", "c" }, { 1, 2 }, function(i)
      return i == 1 and { outcome = "ok", value = 1 } or i == 2 and { outcome = "timeout", message = "too slow" } or nil
    end))
    for _, words in ipairs{
      "<h1>restart</h1>", "<code>restart-k3f9qa</code>", "1 of 3 hosts ok, 1 failed, 1 not reached.",
      "1 min 00 s", "localhost:3502", "concurrency 50", "too slow", "2 waves of 1, 2", ">1.50 s<", "job-of-2",
    } do
      assert.truthy(text:find(words, 1, true), words)
    end
  end)

  it("has options, the program and the dispatcher as they were written", function()
    local record = run_of({ "a", "b" }, { 1, 1 }, function() return { outcome = "ok" } end, {
      options = { concurrency = 20, serial = harp.array{ 1, "10%", "100%" } }, caller = "d.example.net:3502",
      program = { script = "/x/restart", arguments = harp.array{ "--limit", "5", "token=hush" } },
    })
    for _, words in ipairs{
      "concurrency 20, serial 1 10% 100%<", ">/x/restart --limit 5 token=***<", ">d.example.net:3502<",
    } do
      assert.truthy(report.html(record):find(words, 1, true), words)
    end
  end)

  it("shows no secrets of the program: not by names, behind options, nor within JSON", function()
    local words = harp.array{
      "--password", "hush1", "web01", "-token=hush2", '{"user":"me","db":[{"api_key":"hush3"}]}',
      'with={"secret":"hush4"}', "--password", "--hush5", "{nothing", "-p", "5",
    }
    local program = { command = "batch", arguments = words }
    local text = report.html(run_of({ "a" }, { 1 }, function() return { outcome = "ok" } end, { program = program }))
    assert.is_nil(text:find "hush")
    assert.truthy(text:find('>harp batch --password *** web01 -token=*** '
      .. markup.escape '{"db":[{"api_key":"***"}],"user":"me"} with={"secret":"***"} --password *** {nothing -p 5'
      .. "<", 1, true), text:match ">harp batch [^<]*")
    assert.equal("hush1", words[2])
  end)

  it("takes nothing of a host for markup", function()
    local first = page:match "nonce%-(%x+)"
    assert.equal(2, count(page, "<script") + count(page, "<style"))
    assert.equal(2, count(page, ('nonce="%s"'):format(first)))
    assert.equal(1, count(page, "</script"))
    for _, text in ipairs{ "<img", "<b>\"", "<script>", "db<b>" } do
      assert.is_nil(page:find(text, 1, true), text)
    end
    assert.truthy(page:find("&lt;/script&gt;", 1, true))
    assert.truthy(page:find("db&lt;b&gt;&quot;&#39;&amp;01", 1, true))
  end)

  it("is valid UTF-8 in which no control character stands, nor one that turns the text around", function()
    assert.truthy(utf8.len(page))
    assert.is_nil(page:find "[%z\1-\8\11-\31\127]")
    assert.is_nil(page:find("\u{202e}", 1, true))
    assert.truthy(page:find("\\x1b[31m\u{fffd}\\u{202e}", 1, true))
  end)

  it("asks nothing of a network, and may not", function()
    for _, text in ipairs{ page, page_of_two_thousand() } do
      for _, attribute in ipairs{ "src", "href", "action", "srcset", "data" } do
        for v in text:gmatch("[%s\"']" .. attribute .. '="([^"]*)"') do
          assert.truthy(v:find "^#[ho]%d+$", attribute .. " is " .. v)
        end
      end
      assert.is_nil(text:find "url%(")
      assert.is_nil(text:find "@import")
      assert.is_nil(text:find "https?:")
      local policy = text:match 'Content%-Security%-Policy" content="([^"]*)"'
      assert.truthy(policy:find("default-src 'none'", 1, true))
      assert.is_nil(policy:find "unsafe")
    end
  end)

  it("has another word for its own scripts each time", function()
    assert.is_not.equal(page:match "nonce%-(%x+)", report.html(three()):match "nonce%-(%x+)")
  end)

  it("is light and dark, has rules for phones and paper, and no scripts are needed to read it", function()
    local rules = { "color-scheme: light dark", "prefers-color-scheme: dark", "@media (max-width", "@media print" }
    for _, rule in ipairs(rules) do
      assert.truthy(page:find(rule, 1, true), rule)
    end
    assert.truthy(page:find('<div class="controls" hidden>', 1, true))
  end)

  it("has contrast, in the light and in the dark", function()
    local both = page:match "<style[^>]*>.-:root {(.-)}"
    local dark = page:match "prefers%-color%-scheme: dark%) {%s*:root {(.-)}"
    for _, rules in ipairs{ both, dark } do
      local colours = {}
      for name, digits in rules:gmatch "%-%-([%w-]+): #(%x+);" do colours[name] = digits end
      for name, digits in pairs(colours) do
        local is_text = name == "ink" or name == "quiet" or name == "link" or name:find "%-ink$"
        local is_fill = colours[name .. "-ink"] and name ~= "running"
        for _, on in ipairs(is_text and { "paper", "sheet" } or is_fill and { "paper", "on-fill" } or {}) do
          assert.truthy(contrast(digits, colours[on]) >= (is_text and 4.5 or 3), name .. " on " .. on)
        end
      end
    end
  end)

  it("has every reference within it answered, and no id twice", function()
    local text, ids = page_of_two_thousand(), {}
    for id in text:gmatch ' id="([^"]*)"' do
      assert.is_nil(ids[id], id)
      ids[id] = true
    end
    for id in text:gmatch ' href="#([^"]*)"' do assert.truthy(ids[id], id) end
  end)

  it("has values as JSON, indented where they do not fit, and texts as they are", function()
    local text = report.html(run_of({ "a", "b", "c" }, { 3 }, function(i)
      local values = { { 1, harp.null, { a = 1.0 } }, { list = { ("x"):rep(50), ("y"):rep(50) } }, "two\nlines" }
      return { outcome = "ok", value = values[i] }
    end))
    assert.truthy(text:find('[1, null, {&quot;a&quot;: 1.0}]', 1, true))
    assert.truthy(text:find('{\n  &quot;list&quot;: [\n    &quot;xxx', 1, true))
    assert.truthy(text:find("<pre>two\nlines</pre>", 1, true))
  end)

  it("says of a value that the journal has not where it is", function()
    local text = report.html(run_of({ "a" }, { 1 }, function() return { outcome = "ok", is_long = true } end))
    assert.truthy(text:find("harp job result job-of-1", 1, true))
  end)

  it("is of a run that goes on, too", function()
    local record = new_record()
    record:apply{ event = "run", run = "r-aaaaaa", name = "r", hosts = { "a", "b" }, waves = { 2 }, time = BEGUN }
    assert.truthy(report.html(record):find("2 waiting", 1, true))
    record:apply{ event = "start", host = "a", attempt = 1, time = BEGUN + 1 }
    record:apply{ event = "packet", host = "a", job = "j", number = 1, data = { 1 }, time = BEGUN + 2 }
    local text = report.html(record)
    for _, words in ipairs{ "1 running, 1 waiting", "harp attach r-aaaaaa", "<pre>[1]</pre>" } do
      assert.truthy(text:find(words, 1, true), words)
    end
    record:apply{ event = "stop", reason = "two of <three> failed", time = BEGUN + 3 }
    assert.truthy(report.html(record):find("two of &lt;three&gt; failed", 1, true))
  end)
end)

describe("the outputs in it", function()
  it("are there once when hosts gave the same, with how many did and how many differ", function()
    local page = page_of_two_thousand()
    assert.equal(#TEN_KIB // #LINE - 1, count(page, "\na line that every host says"))
    assert.truthy(page:find("1,982 hosts gave the same output; 13 differ.", 1, true))
    assert.truthy(#page < 1500 * 1024, #page)
  end)

  it("are the same only when all of them is", function()
    local long = ("z"):rep(200 * 1024)
    local page = report.html(run_of({ "a", "b", "c" }, { 3 }, function(i)
      return { outcome = "ok", value = long .. (i == 3 and "!" or "") }
    end))
    assert.truthy(page:find("2 hosts gave the same output; 1 differs.", 1, true))
  end)

  it("of a host are at most 64 KiB, in whole characters, and it says so", function()
    local text = ("x€"):rep(60000)
    local page = report.html(run_of({ "a" }, { 1 }, function() return { outcome = "ok", value = text } end))
    assert.truthy(#page < 100 * 1024 and #page > 64 * 1024)
    assert.truthy(page:find("first 64 KiB of 234 KiB", 1, true))
    assert.truthy(page:find("harp job result job-of-1", 1, true))
    assert.truthy(utf8.len(page))
    assert.is_nil(page:find("\u{fffd}", 1, true))
  end)

  it("of many hosts that all differ are 16 MiB together at most; the short ones stay whole", function()
    local text = ("y"):rep(50 * 1024)
    local page = report.html(run_of(numbered(1000), { 1000 }, function(i)
      return { outcome = "ok", value = i % 2 == 0 and ("short %d."):format(i) or i .. text }
    end))
    assert.truthy(#page < 18 * 1024 * 1024, #page)
    assert.equal(500, count(page, "<pre>short "))
    assert.equal(500, count(page, "harp job result job-of-"))
  end)
end)

describe("the timeline", function()
  local function bars(text)
    return count(text:match '<svg class="plot".-</svg>\n?</div>', "<title>")
  end
  local function all_ok() return { outcome = "ok", value = 1 } end

  it("has a bar for each of some hundred hosts, and marks waves and failures in words", function()
    for _, size in ipairs{ 1, 3, 60, 61, 400 } do
      assert.equal(size, bars(report.html(run_of(numbered(size), { size }, all_ok))), size)
    end
    local text = report.html(run_of(numbered(100), { 10, 90 }, function(i)
      return { outcome = i == 50 and "unreachable" or "ok", attempts = i == 50 and 3 or 1 }
    end))
    assert.truthy(text:find(">unreachable ×3</text>", 1, true))
    assert.truthy(text:find(">wave 2</text>", 1, true))
  end)

  it("is of bounded size for any number of hosts, with each kind of failure in a line of its own", function()
    local text = page_of_two_thousand():match '<div class="timeline">(.-)</div>'
    assert.truthy(#text < 64 * 1024, #text)
    for _, outcome in ipairs(OUTCOMES) do assert.truthy(text:find(">" .. outcome .. "</text>", 1, true), outcome) end
    for wave = 1, 3 do assert.truthy(text:find((">wave %d</text>"):format(wave), 1, true)) end
  end)

  it("is there when nothing has begun, and when all took no time", function()
    assert.truthy(report.html(run_of({ "a", "b" }, { 1, 1 }, function() end)))
    local record = new_record()
    record:apply{ event = "run", run = "r-aaaaaa", name = "r", hosts = { "a" }, waves = { 1 }, time = BEGUN }
    record:apply{ event = "start", host = "a", attempt = 1, time = BEGUN }
    record:apply{ event = "end", host = "a", outcome = "ok", time = BEGUN }
    record:apply{ event = "finish", time = BEGUN }
    local text = report.html(record)
    assert.is_nil(text:find "%f[%a]nan%f[%A]")
    assert.is_nil(text:find "%f[%a]inf%f[%A]")
  end)
end)

describe("a report's file", function()
  local directory
  before_each(function() directory = harness.shell "mktemp -d":gsub("\n", "") end)
  after_each(function() harness.shell("rm -r " .. directory) end)

  it("is written whole, in place of an older one, with nothing left beside it", function()
    for name, module in pairs{ ["run.html"] = report, ["run.xml"] = junit } do
      local path = harness.write(directory .. "/" .. name, "older")
      module.write(path, three())
      assert.truthy(harness.read(path):find "^<[?!]")
    end
    assert.equal("run.html\nrun.xml\n", (harness.shell("ls " .. directory)))
  end)

  it("that cannot be written is a clear error, and an older one stays", function()
    local well, failure = pcall(report.write, directory .. "/none/run.html", three())
    assert.is_false(well)
    assert.equal("UsageError", failure.kind)
    assert.equal(("cannot write the report to %s/none/run.html: No such file or directory"):format(directory),
      failure.message)
    harness.shell(("mkdir -p %s/run.xml/x"):format(directory))
    well, failure = pcall(junit.write, directory .. "/run.xml", three())
    assert.is_false(well)
    assert.truthy(failure.message:find "^cannot write the JUnit file to .*run.xml: ")
    assert.equal("run.xml\n", (harness.shell("ls " .. directory)))
    well, failure = pcall(replace_file.check, directory, "the report")
    assert.is_false(well)
    assert.equal(("cannot write the report to %s: Is a directory"):format(directory), failure.message)
  end)

  local function shell(command)
    return (harness.shell(("cd %s; %s"):format(directory, command)):gsub("\n$", ""))
  end

  it("keeps its mode, and a link that leads to it", function()
    harness.write(directory .. "/run.html", "older")
    shell "chmod 640 run.html; ln -s run.html latest; ln -s later none"
    for _, name in ipairs{ "latest", "none" } do
      replace_file.check(("%s/%s"):format(directory, name), "the report")
      report.write(("%s/%s"):format(directory, name), three())
    end
    assert.equal("later\nlatest\nnone\nrun.html", shell "ls")
    assert.equal("run.html later 640", shell "echo $(readlink latest none) $(stat -c %a run.html)")
    for _, name in ipairs{ "run.html", "later" } do
      assert.truthy(harness.read(("%s/%s"):format(directory, name)):find "^<!DOCTYPE html>")
    end
  end)

  it("that is none is written to as it is: a pipe, of which nobody sees an end before, and a device", function()
    local pid = shell "mkfifo pipe; ln -s /dev/full device; cat pipe >got 2>&1 & echo $!"
    for _, name in ipairs{ "pipe", "device" } do
      replace_file.check(("%s/%s"):format(directory, name), "the report")
    end
    assert.equal("0", shell(("sleep 0.1; kill -0 %s; echo $?"):format(pid)))
    report.write(directory .. "/pipe", three())
    harness.eventually(function() return harness.read(directory .. "/got"):find "</html>%s*$" end)
    local well, failure = pcall(report.write, directory .. "/device", three())
    assert.is_false(well)
    assert.equal(("cannot write the report to %s/device: No space left on device"):format(directory), failure.message)
    assert.equal("device\ngot\npipe\np l", shell "ls; stat -c %A pipe device | cut -c 1 | xargs")
  end)

  it("that is standard output comes behind what stands there", function()
    local text = [[
      require "harp"
      print "before"
      local replace_file = require "harp.batch.replace_file"
      replace_file.check("/dev/stdout", "it")
      replace_file.write("/dev/stdout", "the report\n", "it")
      print "behind"]]
    shell(("%s -e %s >out"):format(harness.program, harness.quote(text)))
    assert.equal("before\nthe report\nbehind\n", harness.read(directory .. "/out"))
  end)
end)

-- ---- JUnit ----

describe("JUnit's XML", function()
  it("has a suite for each wave and a case for each host, as they ended", function()
    local outcomes = { "ok", "exception", "error", "unreachable", "timeout", "unknown", "cancelled", "not_reached" }
    local text = junit.xml(run_of(numbered(8), { 2, 6 }, function(i)
      return { outcome = outcomes[i], message = outcomes[i] ~= "ok" and "it <was> so" or nil }
    end))
    assert.equal(2, count(text, "<testsuite "))
    assert.equal(8, count(text, "<testcase "))
    assert.truthy(text:find('<testsuites name="restart" tests="8" failures="1" errors="5" skipped="1"', 1, true))
    assert.truthy(text:find('<testsuite name="restart, wave 1" id="0" tests="2" failures="1" errors="0"', 1, true))
    assert.truthy(text:find('timestamp="2025-06-26T14:03:21"', 1, true))
    assert.truthy(text:find('<testcase name="web0001.example.net" classname="restart" time="1.500">', 1, true))
    assert.truthy(text:find('<failure message="it &lt;was&gt; so" type="exception">it &lt;was&gt; so<', 1, true))
    assert.truthy(text:find('<error message="it &lt;was&gt; so" type="timeout">', 1, true))
    assert.truthy(text:find('<skipped message="it &lt;was&gt; so"/>', 1, true))
  end)

  it("is bounded", function()
    local value = TEN_KIB:rep(5)
    local text = junit.xml(run_of(numbered(1000), { 1000 }, function() return { outcome = "ok", value = value } end))
    assert.truthy(#text < 20 * 1024 * 1024, #text)
    assert.equal(1000, count(text, "all of it: harp job result job-of-"))
  end)

  it("has none of the characters that XML forbids", function()
    local text = junit.xml(three())
    assert.truthy(utf8.len(text))
    assert.is_nil(text:find "[%z\1-\8\11\12\14-\31]")
  end)

  it("is well-formed", function()
    if not is_there "xmllint" then return pending "xmllint is not there" end
    local path = os.tmpname()
    for _, record in ipairs{ three(), two_thousand(), run_of({ "a" }, { 1 }, function()
      return { outcome = "exception", message = "\u{fffe}\u{ffff}\1\n]]>", type = "\0" }
    end) } do
      harness.write(path, junit.xml(record))
      assert.same({ "", 0 }, { harness.shell("xmllint --huge --noout " .. path .. " 2>&1") })
    end
    os.remove(path)
  end)
end)

-- ---- in a browser ----

-- What a page says of itself in a frame: whether its script went through, what
-- it complained of, how wide it is, and what its controls do.
local PROBE = [[
<script nonce="NONCE">
var violations = 0;
document.addEventListener("securitypolicyviolation", function () { violations += 1; });
function shown() { return document.querySelectorAll("table.hosts tbody tr:not([hidden])").length; }
function press(value) { document.querySelector(".controls button[value='" + value + "']").click(); }
addEventListener("load", function () {
  document.querySelectorAll("details").forEach(function (details, i) { details.open = i < 40; });
  var found = { name: "NAME" };
  press("failed");
  found.failed = shown();
  press("all");
  var input = document.querySelector(".controls input");
  input.value = "another ONE";
  input.dispatchEvent(new Event("input"));
  setTimeout(function () {
    found.searched = shown();
    input.value = "";
    input.dispatchEvent(new Event("input"));
    setTimeout(function () {
      var header = document.querySelector("table.hosts thead button");
      header.click();
      header.click();
      var first = document.querySelector("table.hosts tbody tr"), details = first.querySelector("details");
      found.all = shown();
      found.first = first.cells[0].textContent;
      if (details) { details.open = true; }
      setTimeout(function () {
        var pre = first.querySelector("pre");
        found.output = pre ? pre.textContent.slice(0, 11) : "";
        found.ready = document.documentElement.dataset.ready || "no";
        found.error = document.documentElement.dataset.failed || "";
        found.violations = violations;
        found.window = innerWidth;
        found.width = document.documentElement.scrollWidth;
        parent.postMessage(JSON.stringify(found), "*");
      }, 100);
    }, 400);
  }, 400);
});
</script>
</body>]]

local FRAMES = [[
<!DOCTYPE html><meta charset="utf-8"><body>
<script>
addEventListener("message", function (event) {
  var line = document.createElement("p");
  line.textContent = "found " + encodeURIComponent(event.data) + " end";
  document.body.appendChild(line);
});
</script>
]]

local function with_probe(page, name)
  local probe = PROBE:gsub("NONCE", page:match "nonce%-(%x+)"):gsub("NAME", name)
  return (page:gsub("</body>%s*</html>%s*$", function() return probe .. "</html>" end))
end

local BROWSER = "timeout 120 chromium --headless=new --no-sandbox --disable-gpu --no-first-run"
  .. " --user-data-dir=%s/profile --window-size=1500,1000 --virtual-time-budget=20000"
  .. " --enable-logging=stderr --v=0 --dump-dom file://%s/frames.html 2>%s/log"

-- All pages in one browser, each in frames as wide as a phone and a desk.
local function browse(pages)
  local directory = harness.shell "mktemp -d":gsub("\n", "")
  local frames = { FRAMES }
  for name, page in pairs(pages) do
    for _, width in ipairs{ 360, 1400 } do
      local file = ("%s-%d"):format(name, width)
      harness.write(("%s/%s.html"):format(directory, file), with_probe(page, file))
      local frame = '<iframe src="%s.html" width="%d" height="900" style="border:0"></iframe>'
      frames[#frames + 1] = frame:format(file, width)
    end
  end
  harness.write(directory .. "/frames.html", table.concat(frames, "\n"))
  local dump = harness.shell(BROWSER:format(directory, directory, directory) .. " || true")
  local found, log = {}, harness.read(directory .. "/log")
  for text in dump:gmatch "found (%S+) end" do
    local item = harp.decode((text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end)))
    found[item.name] = item
  end
  harness.shell("rm -rf " .. directory)
  return found, log
end

describe("a browser", function()
  if not is_there "chromium" then
    pending "shows the page without an error: chromium is not there"
    return
  end

  local found, log
  setup(function() found, log = browse{ few = report.html(three()), many = page_of_two_thousand() } end)

  for _, name in ipairs{ "few-360", "few-1400", "many-360", "many-1400" } do
    describe("that shows " .. name, function()
      it("runs its script without an error, and nothing else's", function()
        local item = assert(found[name], log)
        assert.same({ "yes", "", 0 }, { item.ready, item.error, item.violations })
      end)

      it("has nothing that is wider than it is, outputs open", function()
        assert.equal(tonumber(name:match "%d+"), found[name].window)
        assert.truthy(found[name].width <= found[name].window, found[name].width)
      end)
    end)
  end

  it("finds, filters and sorts hosts, and shows what several gave in each of them", function()
    for _, width in ipairs{ 360, 1400 } do
      local few, many = found["few-" .. width], found["many-" .. width]
      assert.same({ 1, 0, 3, "web02" }, { few.failed, few.searched, few.all, few.first })
      assert.same({ 12, 1, 2000, "web2000.example.net" }, { many.failed, many.searched, many.all, many.first })
    end
  end)

  it("complains of nothing", function()
    for line in log:gmatch "[^\n]+" do assert.is_nil(line:find "CONSOLE", line) end
  end)
end)
