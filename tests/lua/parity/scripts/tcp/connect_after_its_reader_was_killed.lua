-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("silent")
local reader = ngx.thread.spawn(function()
    return sock:receive()
end)
show(ngx.thread.kill(reader))
show(sock:connect(peer.host, peer.port("echo")))
