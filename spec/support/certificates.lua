--- Certificates for the specs, by openssl.

local harness = require "spec.support.harness"

local certificates = {}

local count = 0

local function openssl(...)
  local output, status = harness.shell(("openssl " .. (...) .. " 2>&1"):format(select(2, ...)))
  assert(status == 0, output)
  return output
end

--- The pin of a certificate file.
function certificates.pin(file)
  return "sha256//" .. harness.shell(([[
    openssl x509 -in %s -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary \
      | openssl base64 -A]]):format(file))
end

--- Makes a key and a certificate for it; returns { certificate =, key =, pin = },
-- files in `directory`. options: names (default localhost and 127.0.0.1, as
-- subjectAltName has them), issuer (what this returned; default itself),
-- authority (it may sign others), days (default 2; below 0 is in the past),
-- algorithm (of the key, as `openssl req -newkey` has it; default P-256).
function certificates.make(directory, options)
  options = options or {}
  count = count + 1
  local base = ("%s/%d"):format(directory, count)
  local issuer = options.issuer
  harness.write(base .. ".ext", ("subjectAltName=%s\nbasicConstraints=critical,CA:%s\n"):format(
    options.names or "DNS:localhost,IP:127.0.0.1,IP:::1", options.authority and "TRUE" or "FALSE"))
  openssl("req -new -newkey %s -nodes -subj /CN=spec%d -keyout %s.key -out %s.csr",
    options.algorithm or "ec -pkeyopt ec_paramgen_curve:P-256", count, base, base)
  openssl("x509 -req -in %s.csr -days %d -extfile %s.ext -out %s.pem %s", base, options.days or 2, base, base,
    issuer and ("-CA %s -CAkey %s -CAcreateserial"):format(issuer.certificate, issuer.key)
    or "-signkey " .. base .. ".key")
  local made = { certificate = base .. ".pem", key = base .. ".key" }
  made.pin = certificates.pin(made.certificate)
  return made
end

--- A file with several certificates, as a server shows its chain.
function certificates.chain(directory, ...)
  local texts = {}
  for i, made in ipairs{ ... } do texts[i] = harness.read(made.certificate) end
  count = count + 1
  return harness.write(("%s/%d.chain"):format(directory, count), table.concat(texts))
end

return certificates
