-- What the manual of batches shows is typed into a shell, as it stands, and has
-- to say what is shown below it.

local document = require "spec.support.document"
local harness = require "spec.support.harness"

local HEADING = "## From a shell loop to a batch"

-- What a shell of the sessions has: harp, a dispatcher and a daemon of its own,
-- and somebody who answers for ssh.
local function surroundings()
  local home = harness.directory()
  harness.shell(("mkdir %s/bin %s/run %s/work"):format(home, home, home))
  harness.shell(("ln -s %s %s/bin/harp"):format(harness.program, home))
  harness.write(home .. "/bin/ssh", "#!/bin/sh\nshift\necho \"($1)\"\n")
  harness.shell("chmod +x " .. home .. "/bin/ssh")
  return home, ("cd %s/work; unset HARP_CALLER HARP_USER HARP_PASSWORD; export LC_ALL=C.UTF-8 NO_COLOR=1 HOME=%s "
    .. "XDG_STATE_HOME=%s/state XDG_CONFIG_HOME=%s/config XDG_RUNTIME_DIR=%s/run PATH=%s/bin:$PATH\n"):format(
    home, home, home, home, home, home)
end

-- A session in a shell of its own, with the output and the status of each
-- command: a list of texts.
local function run(prelude, commands)
  local text = { prelude }
  for _, command in ipairs(commands) do
    text[#text + 1] = ("%s\nstatus=$?; printf '\\1'; (exit $status)\n"):format(command.text)
  end
  local file = harness.write(harness.directory() .. "/session", table.concat(text))
  local outputs = {}
  for output in harness.shell("bash " .. file .. " 2>&1 </dev/null"):gmatch "([^\1]*)\1" do
    outputs[#outputs + 1] = output
  end
  return outputs
end

describe("the page from a shell loop to a batch", function()
  local text = harness.read "scripts/README.md"
  local snippets = document.snippets(text, HEADING)
  local home, prelude, sessions = nil, nil, {}

  for _, snippet in ipairs(snippets) do
    if snippet.commands then sessions[#sessions + 1] = snippet end
  end

  setup(function()
    home, prelude = surroundings()
    for _, snippet in ipairs(snippets) do
      if snippet.name then harness.write(("%s/work/%s"):format(home, snippet.name), snippet.text) end
    end
  end)

  teardown(function()
    harness.shell(("bash -c %s"):format(harness.quote(prelude .. "harp local --stop")))
    harness.clean_up()
  end)

  it("has a session for each script", function()
    assert.truthy(#sessions >= 12)
    for _, snippet in ipairs(snippets) do
      if snippet.name then
        local is_run = false
        for _, session in ipairs(sessions) do
          for _, command in ipairs(session.commands) do
            is_run = is_run or command.text:find(snippet.name, 1, true) ~= nil
          end
        end
        assert.truthy(is_run, snippet.name .. " is run by no session")
      end
    end
  end)

  for _, session in ipairs(sessions) do
    it(("does what it shows: line %d, %s"):format(session.line, session.commands[1].text), function()
      local outputs = run(prelude, session.commands)
      for i, command in ipairs(session.commands) do
        local complaint = document.differs(command.output, outputs[i] or "")
        assert.is_nil(complaint, ("line %d, %s: %s; the output is\n%s"):format(
          command.line, command.text, complaint, outputs[i]))
      end
    end)
  end
end)

-- A check that cannot fail shows nothing.
describe("a document", function()
  local function snippets(text) return document.snippets("## A\n" .. text .. "\n## B\n", "## A") end

  it("has no snippet that nobody runs", function()
    assert.equal('line 2: nobody knows how to run ""', harness.raised(snippets, "```\nls\n```"))
    assert.equal('line 2: nobody knows how to run "python"', harness.raised(snippets, "```python\nls\n```"))
    assert.equal("line 2: a script whose first line does not name it", harness.raised(snippets, "```lua\nx = 1\n```"))
    assert.equal("line 3: a session begins with its output", harness.raised(snippets, "```sh\nx\n```"))
    assert.equal("line 2: it has no end", harness.raised(snippets, "```sh\n$ x"))
    assert.equal("there is no ## C", harness.raised(document.snippets, "## A\n", "## C"))
  end)

  it("shows what is said, and all of it", function()
    assert.is_nil(document.differs({ "b 12", "a …s" }, "a 0.3s\nb 12\n"))
    assert.is_nil(document.differs({ "a", "…" }, "b\na\n"))
    assert.equal('it does not say "a"', document.differs({ "a", "a" }, "a\nb\n"))
    assert.equal('it says "b", which is not shown', document.differs({ "a" }, "a\nb\n"))
    assert.equal('it does not say "a.c"', document.differs({ "a.c" }, "abc\n"))
  end)
end)
