-- both

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.udp()
sock:settimeout(2000)
show(sock:setpeername(peer.host, peer.port("udp-echo")))
for _, size in ipairs { 8192, 8193, 65507 } do
    show(sock:send(("x"):rep(size)))
    show(#sock:receive())
    show(sock:send(("x"):rep(size)))
    show(#sock:receive(100000))
    show(sock:send(("x"):rep(size)))
    show(#sock:receive(-1))
end
