-- Where the servers are that the parity scripts talk to, and how to tell one what to play.
-- The same module is on the path of both sides; PARITY_PEERS, an environment variable, names the ports:
-- "echo=1234 silent=2345 … folder=/path/of/the/unix/sockets".

local concat = table.concat
local getenv = os.getenv
local tcp = ngx.socket.tcp

local places = {}
for name, place in (getenv("PARITY_PEERS") or ""):gmatch("(%S-)=(%S+)") do
    places[name] = place
end

local peer = { host = "127.0.0.1" }

-- Steps that are no data and no pause (a number of milliseconds): see play().
peer.FINISH = { "finish" } -- end the stream, go on reading
peer.RESET = { "reset" } -- end the connection with a reset

function peer.wait_for(size) -- go on when so many bytes have come
    return { "wait " .. size }
end

peer.TELL = { "tell" } -- send back what wait_for() has read

function peer.port(name)
    return tonumber(places[name]) or error("no server is called " .. name, 2)
end

function peer.sock(name) -- the address of a unix socket
    return "unix:" .. places.folder .. "/" .. name .. ".sock"
end

local function hex(text)
    return (text:gsub(".", function(char)
        return ("%02x"):format(char:byte())
    end))
end

-- Sends the server "play" its steps: a string is sent, a number is a pause in milliseconds.
-- After the last step the server closes.
function peer.play(sock, ...)
    local words = {}
    for index, step in ipairs({ ... }) do
        if type(step) == "string" then
            words[index] = "send " .. hex(step)
        elseif type(step) == "number" then
            words[index] = "pause " .. step
        else
            words[index] = step[1]
        end
    end
    assert(sock:send(concat(words, ",") .. "\n"))
end

-- A socket that is connected to a server, with timeouts that no good answer needs.
function peer.connect(name, options)
    local sock = tcp()
    sock:settimeout(2000)
    assert(sock:connect(peer.host, peer.port(name), options))
    return sock
end

-- A socket whose other side plays these steps.
function peer.plays(...)
    local sock = peer.connect("play")
    peer.play(sock, ...)
    return sock
end

return peer
