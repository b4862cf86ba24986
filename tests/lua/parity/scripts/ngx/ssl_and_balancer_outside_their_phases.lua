-- serve
local ssl, balancer, session = require "ngx.ssl", require "ngx.balancer", require "ngx.ssl.session"
local ocsp, clienthello = require "ngx.ocsp", require "ngx.ssl.clienthello"

local function say(name, ...)
    local values = { ... }
    for i = 1, select("#", ...) do values[i] = (tostring(values[i]):gsub("^.-:%d+: ", "")) end
    ngx.say(name, ": ", table.concat(values, " | "))
end
local function names(module)
    local found = {}
    for name, value in pairs(module) do found[#found + 1] = name .. " " .. type(value) end
    table.sort(found)
    return table.concat(found, ", ")
end
for _, module in ipairs { ssl, balancer, session, ocsp, clienthello } do ngx.say(names(module)) end

for _, name in ipairs {
    "clear_certs", "raw_server_addr", "raw_client_addr", "server_name", "server_port", "get_tls1_version",
    "get_tls1_version_str", "set_cert", "set_priv_key", "verify_client",
} do
    say(name, pcall(ssl[name]))
end
say("set_der_cert", pcall(ssl.set_der_cert, "x"))
say("set_der_priv_key", pcall(ssl.set_der_priv_key, "x"))
say("set_der_cert", (pcall(ssl.set_der_cert)))
say("set_current_peer", pcall(balancer.set_current_peer, "127.0.0.1", 80))
say("set_current_peer", pcall(balancer.set_current_peer, "127.0.0.1"))
say("set_current_peer", (pcall(balancer.set_current_peer, nil, 80)))
say("set_more_tries", pcall(balancer.set_more_tries, 1))
say("set_more_tries", (pcall(balancer.set_more_tries)))
say("get_last_failure", pcall(balancer.get_last_failure))
say("recreate_request", pcall(balancer.recreate_request))
say("set_timeouts", pcall(balancer.set_timeouts, 1, 2, 3))
say("set_timeouts", pcall(balancer.set_timeouts))
say("set_timeouts", pcall(balancer.set_timeouts, "a"))
say("set_timeouts", pcall(balancer.set_timeouts, 1, 0))
say("set_timeouts", pcall(balancer.set_timeouts, 1, 1, -1))
say("get_serialized_session", pcall(session.get_serialized_session))
say("set_serialized_session", pcall(session.set_serialized_session, "x"))
say("get_session_id", pcall(session.get_session_id))
for _, name in ipairs {
    "get_client_hello_server_name", "get_client_hello_ext", "get_supported_versions", "set_protocols",
} do
    say(name, pcall(clienthello[name], 0))
end
say("set_ocsp_status_resp", pcall(ocsp.set_ocsp_status_resp, "x"))

local timed = {}
ngx.timer.at(0, function()
    timed[1] = { pcall(ssl.server_name) }
    timed[2] = { pcall(balancer.set_current_peer, "127.0.0.1", 80) }
    timed[3] = { pcall(clienthello.get_supported_versions) }
end)
ngx.sleep(0.05)
for i = 1, 3 do say(i, unpack(timed[i], 1, 3)) end
