-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("play")
peer.play(sock, 1500)
local writer = ngx.thread.spawn(function()
    return sock:send(("x"):rep(16 * 1024 * 1024))
end)
show(sock:send("y"))
show(sock:close())
show(sock:setkeepalive())
show(sock:connect(peer.host, peer.port("echo")))
show(ngx.thread.kill(writer))
show(sock:close())
