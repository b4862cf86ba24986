-- both

local peer = require "peer"
local show = require "show"

local port = peer.port("udp-echo")
local sock = ngx.socket.udp()
sock:settimeout(2000)
show(sock:setpeername("127.0.0.1:" .. port, 53))
show(sock:send("hello"))
show(sock:receive())
for _, host in ipairs { "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:x", ":53", "[::1]:x", "[::1", "[::1]53", "a.test/" } do
    show(host, sock:setpeername(host, 53))
end
