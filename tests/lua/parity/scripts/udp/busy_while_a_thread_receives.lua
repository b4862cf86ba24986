-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.udp()
assert(sock:setpeername(peer.host, peer.port("udp-silent")))
sock:settimeout(30)
local reader = ngx.thread.spawn(function()
    return sock:receive()
end)
show(sock:send("x"))
show(sock:receive())
show(sock:close())
show(sock:setpeername(peer.host, peer.port("udp-echo")))
show(ngx.thread.wait(reader))
show(sock:close())
