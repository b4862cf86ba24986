-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.tcp()
sock:settimeout(1000)
local connecting = ngx.thread.spawn(function()
    return sock:connect(peer.host, peer.port("unreachable"))
end)
show(ngx.thread.kill(connecting))
show(sock:connect(peer.host, peer.port("echo")))
