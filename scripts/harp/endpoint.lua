--- Where a peer is and how it is trusted: the options that callers and servers
-- have in common.
--
--     host, port        "host[:port]", "[v6]:port" or "unix:/path"; the port
--                       may stand on its own
--     tls               true, or "legacy" for peers that know nothing better
--                       than TLS 1.0; a dispatcher is plain unless it is set
--     connect_timeout   seconds for name, proxy and handshake; default 10
--     proxy             "socks5h://[user:password@]host:port" (it looks names
--                       up), "socks5://" (we do), "socks4a://" or "http://" (a
--                       CONNECT tunnel); the environment's are not used
--     cert_file,        PEM: the certificate that is shown to the peer, and its
--     key_file          key, if that is in a file of its own
--
-- A peer's certificate is checked by one of
--
--     known_hosts       the default: its key is remembered at the first contact
--                       and must be the same from then on. The file, instead of
--                       $XDG_STATE_HOME/harp/known_hosts (~/.local/state/…)
--     pin               "sha256//…" of its public key
--     ca_file           PEM: its authorities, and its name
--     verify            "system": the system's authorities, and its name;
--                       false: not at all
--
-- The name of a peer on a unix socket is "localhost".

local core = require "harp.core"

local endpoint = {}

local LONGEST = 86400           -- seconds

local function one_of(...)
  local set = {}
  for _, v in ipairs{ ... } do set[v] = true end
  return function(v) return set[v] end
end

local function is_text(v)
  return type(v) == "string" and v ~= "" and not v:find "\0"
end

local function is_port(v)
  return type(v) == "number" and math.tointeger(v) and v >= 1 and v <= 65535
end

local function is_pin(v)
  return is_text(v) and core.is_pin(v)
end

local function is_seconds(v)
  return type(v) == "number" and v > 0 and v <= LONGEST
end

-- Each option: what it may be, how to say so, and whether it is about TLS or,
-- more than that, a way to trust.
local file = { is_text, "the path of a file", tls = true }
local trust_file = { is_text, "the path of a file", tls = true, trust = true }
local OPTIONS = {
  host = { function(v) return type(v) == "string" end, "a name or an address" },
  port = { is_port, "an integer from 1 to 65535" },
  tls = { one_of(true, false, "legacy"), 'true, false or "legacy"' },
  connect_timeout = { is_seconds, "a number of seconds above 0" },
  proxy = { is_text, "a URL such as socks5h://host:port" },
  cert_file = file,
  key_file = file,
  known_hosts = trust_file,
  ca_file = trust_file,
  pin = { is_pin, '"sha256//" and the base64 of the SHA-256 of the public key', tls = true, trust = true },
  verify = { one_of(true, false, "system"), '"system" or false', tls = true, trust = true },
}

-- The names of the options that were given and have that mark, in order.
local function given(options, mark)
  local names = {}
  for name in pairs(options) do
    -- `verify = true` asks for nothing that is not done anyway.
    if OPTIONS[name] and OPTIONS[name][mark] and not (name == "verify" and options.verify == true) then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

local function check_each(options, own)
  for name, v in pairs(options) do
    local option = OPTIONS[name]
    if not option and not own[name] then return (" has no option %q"):format(tostring(name)) end
    if option and not option[1](v) then return (": %s must be %s"):format(name, option[2]) end
  end
end

local function check_together(options)
  local ways, needless = given(options, "trust"), given(options, "tls")
  if not options.tls and needless[1] then
    return (": %s is of no use without tls = true"):format(needless[1])
  elseif ways[2] then
    return (": %s and %s exclude each other"):format(ways[1], ways[2])
  elseif options.key_file and not options.cert_file then
    return ": key_file is of no use without cert_file"
  end
end

--- What is wrong with the options, as a text to put behind the name of whose
-- they are; nil when they are good. `own` has the names of more options.
function endpoint.complaint(options, own)
  return check_each(options, own) or check_together(options)
end

--- The endpoint at an address, with options that are good; `port` is for an
-- address without one.
function endpoint.new(address, options, port)
  return core.endpoint(address, {
    port = options.port or port,
    tls = options.tls and true,
    legacy = options.tls == "legacy",
    first_use = options.tls and #given(options, "trust") == 0 or options.known_hosts ~= nil,
    known_hosts = options.known_hosts,
    pin = options.pin,
    ca_file = options.ca_file,
    insecure = options.verify == false,
    cert_file = options.cert_file,
    key_file = options.key_file,
    proxy = options.proxy,
    connect_timeout = options.connect_timeout,
  })
end

return endpoint
