-- The failures of sockets as OpenResty logs them, where the setting socket_log_errors is on.

local core = ...

local write_log = core.write_log
local format, type = string.format, type
local ERR = 4

-- The system's words with their numbers, as nginx writes them.
local SYSTEM = {
    ["connection refused"] = "111: Connection refused",
    ["connection reset by peer"] = "104: Connection reset by peer",
    ["broken pipe"] = "32: Broken pipe",
    ["no such file or directory"] = "2: No such file or directory",
    ["network is unreachable"] = "101: Network is unreachable",
    ["no route to host"] = "113: No route to host",
    ["permission denied"] = "13: Permission denied",
    ["address already in use"] = "98: Address already in use",
    ["cannot assign requested address"] = "99: Cannot assign requested address",
    ["invalid argument"] = "22: Invalid argument",
    ["message too long"] = "90: Message too long",
}

local CALLS = {
    connect = { system = "connect", timeout = "lua tcp socket connect timed out, when connecting to %s" },
    receive = {
        system = "recv",
        timeout = "lua tcp socket read timed out",
        closed = "attempt to receive data on a closed socket",
    },
    send = {
        system = "send",
        timeout = "lua tcp socket write timed out",
        closed = "attempt to send data on a closed socket",
    },
    ["udp receive"] = { system = "recv", timeout = "lua udp socket read timed out" },
    ["udp send"] = { system = "send" },
    handshake = {}, -- a timeout is not logged
}

-- Log what a call failed of. `was_open` tells the peer's end of a connection, which is no error, from a closed socket.
function core.socket_failed(name, err, was_open, address)
    local call = CALLS[name]
    local system = SYSTEM[err]
    if system then
        local where = name == "connect" and address and ", when connecting to " .. address or ""
        write_log(ERR, format("%s() failed (%s)%s", call.system or name, system, where))
    elseif err == "timeout" then
        if call.timeout then write_log(ERR, format(call.timeout, address)) end
    elseif err == "closed" and not was_open and call.closed then
        write_log(ERR, call.closed)
    elseif name == "handshake" and type(err) == "string" then
        if err == "certificate host mismatch" then
            write_log(ERR, format('lua ssl certificate does not match host "%s"', address or ""))
        elseif err:find("^%d+: ") then
            write_log(ERR, format("lua ssl certificate verify error: (%s)", err))
        elseif err == "handshake failed: closed" then
            write_log(ERR, "peer closed connection in SSL handshake")
        elseif err ~= "closed" then
            write_log(ERR, "SSL_do_handshake() failed" .. err:gsub("^handshake failed: (.*)$", " (SSL: %1)"))
        end
    end
end
