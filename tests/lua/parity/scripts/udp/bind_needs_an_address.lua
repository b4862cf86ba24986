-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.udp()
show(pcall(function()
    return sock:bind("peer.test")
end))
show(pcall(function()
    return sock:bind("127.0.0.1")
end))
show(sock:setpeername(peer.host, peer.port("udp-echo")))
show(sock:send("bound"))
show(sock:receive())
