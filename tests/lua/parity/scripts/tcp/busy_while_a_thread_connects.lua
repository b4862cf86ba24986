-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.tcp()
sock:settimeout(40)
local connecting = ngx.thread.spawn(function()
    return sock:connect(peer.host, peer.port("unreachable"))
end)
show(sock:receive(1))
show(sock:send("x"))
show(sock:close())
show(sock:setkeepalive())
show(sock:connect(peer.host, peer.port("echo")))
show(sock:getreusedtimes())
show(ngx.thread.wait(connecting))
