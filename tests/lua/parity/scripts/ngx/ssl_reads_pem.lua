-- both
local ssl = require "ngx.ssl"
local AUTHORITY -- that of the peers, which is another one each time
for word in os.getenv("PARITY_PEERS"):gmatch("%S+") do
    AUTHORITY = word:match("^folder=(.*)$") or AUTHORITY
end
local file = assert(io.open(AUTHORITY .. "/ca.pem"))
local pem = file:read("*a"):match("%-%-%-%-%-BEGIN CERTIFICATE.-END CERTIFICATE%-%-%-%-%-\n")
file:close()
local KEY = [[
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f
-----END PRIVATE KEY-----
]]
local ENCRYPTED = [[
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAiCVUOffEmykwICA+gw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEPKz5ZlHbFVeL7lVYXxIEAEEQKX0
+iIujsfAQqzX5fH/fF06n80iCFSfP8M7JukswBDAR79J4/vldtt4c6Pae42lTe3e
KKaag5L9kfbsjLebPzw=
-----END ENCRYPTED PRIVATE KEY-----
]]

local function base64_of(text) return (text:gsub("%-%-%-%-%-[^\n]*\n", ""):gsub("\n", "")) end

local der = ssl.cert_pem_to_der(pem)
ngx.say(ngx.encode_base64(der) == base64_of(pem))
ngx.say(ssl.cert_pem_to_der(pem .. pem) == der .. der)
ngx.say(ssl.cert_pem_to_der("first a line\n" .. pem .. "\nbetween\n" .. pem .. "behind") == der .. der)
ngx.say(type(ssl.parse_pem_cert(pem)), " ", type(ssl.parse_pem_cert(pem .. pem)))
ngx.say(ngx.encode_base64(ssl.priv_key_pem_to_der(KEY)) == base64_of(KEY))
ngx.say(type(ssl.parse_pem_priv_key(KEY)))
ngx.say(ngx.encode_base64(ssl.priv_key_pem_to_der(ENCRYPTED, "secret")) == base64_of(KEY))
ngx.say(ssl.priv_key_pem_to_der(ENCRYPTED, "wrong"))
ngx.say(ssl.priv_key_pem_to_der(KEY, "not needed") == ssl.priv_key_pem_to_der(KEY))

local bad = { "", "x", KEY, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", pem:sub(1, 200) }
for i, text in ipairs(bad) do
    ngx.say(i, ssl.cert_pem_to_der(text))
    ngx.say(i, ssl.parse_pem_cert(text))
end
for i, text in ipairs { "", "x", pem, KEY:sub(1, 60), (KEY:gsub("MC4C", "AAAA")) } do
    ngx.say(i, ssl.priv_key_pem_to_der(text))
    ngx.say(i, ssl.parse_pem_priv_key(text))
end
ngx.say(ssl.cert_pem_to_der(pem .. "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
ngx.say(ssl.parse_pem_cert(pem .. "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
for _, name in ipairs { "cert_pem_to_der", "priv_key_pem_to_der", "parse_pem_cert", "parse_pem_priv_key" } do
    ngx.say((pcall(ssl[name])), " ", (pcall(ssl[name], 5)), " ", (pcall(ssl[name], {})))
end
collectgarbage()
ngx.say(ssl.TLS1_2_VERSION, " ", ssl.SSL3_VERSION)
