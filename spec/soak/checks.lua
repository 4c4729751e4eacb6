-- What the soak looks at, counted.

local checks = {}

local passed, failed = 0, 0

function checks.check(good, what, ...)
  print(("%-4s %s"):format(good and "ok" or "FAIL", what:format(...)))
  if good then passed = passed + 1 else failed = failed + 1 end
end

--- Is `after` at most the part `slack` above `before`?
function checks.grows(name, before, after, slack)
  checks.check(after <= before * (1 + slack), "%s: %.0f after a tenth, %.0f at the end", name, before, after)
end

--- Prints the counts, and ends the script.
function checks.finish()
  print(("%d passed, %d failed"):format(passed, failed))
  os.exit(failed == 0, true)
end

return checks
