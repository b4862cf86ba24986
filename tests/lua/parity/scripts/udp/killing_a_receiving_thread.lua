-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.udp()
assert(sock:setpeername(peer.host, peer.port("udp-silent")))
local reader = ngx.thread.spawn(function()
    return sock:receive()
end)
show(ngx.thread.kill(reader))
show(sock:send("x"))
