-- An echo server: every byte comes back as it came.
--
--     lasa run examples/echo_server.lua 127.0.0.1:7000
--
-- The first line that it prints tells the address, so port 0 (the system chooses) is useful too. Ctrl-C ends it. Talk to
-- it with examples/echo_client.py. echo_server.py is the same in Python.

local IDLE_MS = 60000

-- Serve one client, in a light thread of its own: as if there were no other.
local function echo(client)
    client:settimeout(IDLE_MS)
    local data, err
    repeat
        data, err = client:receiveany(65536)
        if data then
            _, err = client:send(data) -- waits for a slow reader, and so slows a fast writer down
        end
    until err
    client:close()
    if err ~= "closed" then io.stderr:write("lost a client: ", err, "\n") end
end

-- Accept for ever; return why it is over.
local function accept_clients(server)
    while true do
        local client, err = server:accept()
        if client then
            lasa.thread.spawn(echo, client)
        elseif err ~= "timeout" then -- nobody came for a while: that is no failure
            return err
        end
    end
end

local function main(address)
    local host, port = address:match("^(.*):(%d+)$")
    local server = lasa.socket.tcp()
    local ok, err = server:bind(host, port)
    if not ok then
        io.stderr:write("cannot bind to ", address, ": ", err, "\n")
        os.exit(1)
    end
    assert(server:listen())
    ngx.say("listening on ", host, ":", select(2, server:getsockname()))
    ngx.flush(true)
    io.stderr:write("cannot accept: ", accept_clients(server), "\n")
    os.exit(1)
end

if #arg ~= 1 then
    io.stderr:write("usage: lasa run examples/echo_server.lua HOST:PORT\n")
    os.exit(1)
end
main(arg[1])
