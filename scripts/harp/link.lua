--- The way to a dispatcher, which a caller shares with all that comes of it;
-- and patience: how long to try again while it cannot be reached.

local core = require "harp.core"
local value = require "harp.value"

local link = {}

local Link = { SHORT_LIFE = 0.25 }      -- seconds; what lived longer had been well
Link.__index = Link

--- options: retry_for, reply_timeout, idle_timeout (seconds); user and password,
-- if the dispatcher is to know who asks.
function link.new(endpoint, options, user, password)
  value.check_retry_for(options, 4)
  local idle_timeout = options.idle_timeout or 300
  return setmetatable({
    endpoint = endpoint,
    retry_for = options.retry_for or 30,
    idle_timeout = idle_timeout,
    reached = false,            -- has it ever answered?
    caller = core.caller(endpoint, {
      reply_timeout = options.reply_timeout or 60, idle_timeout = idle_timeout, user = user, password = password,
    }),
  }, Link)
end

--- Starts a request: an exchange.
function Link:request(operation, fields)
  return core.request(self.caller, fields, operation)
end

-- What can pass by itself. The second kind can as well be a wrong address, and
-- is believed to pass only where the dispatcher was reached before.
local PASSING = {
  closed = true, timeout = true, econnrefused = true, econnreset = true, econnaborted = true, epipe = true,
  etimedout = true, ehostunreach = true, enetunreach = true, ehostdown = true, enetdown = true,
  too_many_connections = true, shutdown = true,
}
local PASSING_ONCE_REACHED = { nxdomain = true, enoent = true, network_error = true, tls = true, proxy = true }

local FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1

local Patience = {}
Patience.__index = Patience

--- Patience for one request, or for one stream: `job` is for its errors.
function Link:patience(retry_for, job)
  return setmetatable({ link = self, retry_for = retry_for or self.retry_for, job = job }, Patience)
end

-- The first time at once, then after pauses that grow: of many who lost the
-- same dispatcher not all come back at the same moment.
local function pause(self)
  local seconds = self.seconds or 0
  self.seconds = seconds == 0 and FIRST_PAUSE or math.min(2 * seconds, LONGEST_PAUSE)
  return seconds * (0.5 + math.random() / 2)
end

--- Waits until it may be tried again. Raises the failure when it cannot pass,
-- or when nothing has gone well for as long as was agreed.
function Patience:fail(failure)
  local now = core.now()
  self.since = self.since or now
  local passes = failure.kind == "CommunicationError"
    and (PASSING[failure.type] or self.link.reached and PASSING_ONCE_REACHED[failure.type])
  if not passes or now - self.since >= self.retry_for then
    if passes and self.retry_for > 0 then
      failure.message = ("%s; gave up after %.3g s"):format(failure.message, now - self.since)
    end
    failure.job = failure.job or self.job
    error(failure, 0)
  end
  core.sleep(math.min(pause(self), self.since + self.retry_for - now))
end

--- The same for what waited in an exchange of its own, that was opened then.
-- Silence for idle_timeout is no trouble yet: a question follows, and its
-- answer, or none, is what counts.
function Patience:fail_wait(failure, opened)
  local idle = self.link.idle_timeout
  if failure.type ~= "timeout" or idle == 0 or core.now() - opened < idle then self:fail(failure) end
end

--- How long it still lasts, in seconds.
function Patience:left()
  if not self.since then return self.retry_for end
  return math.max(self.retry_for - (core.now() - self.since), 0)
end

--- Something went well.
function Patience:renew()
  self.since, self.seconds = nil, nil
end

--- One request that may be sent again, and its reply: kind and data, and
-- whether it was sent again.
function Link:ask(operation, fields, retry_for)
  local patience
  while true do
    local exchange <close> = self:request(operation, fields)
    local kind, data = exchange:take()
    if kind then
      self.reached = true
      return kind, data, patience ~= nil
    end
    patience = patience or self:patience(retry_for, fields.job_id)
    patience:fail(data)
  end
end

return link
