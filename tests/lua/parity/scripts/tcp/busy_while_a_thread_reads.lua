-- both

local peer = require "peer"
local show = require "show"

local sock = peer.plays(40, "end\n")
local reader = ngx.thread.spawn(function()
    return sock:receive()
end)
show(sock:receive(1))
show(sock:receiveany(1))
show(sock:receiveuntil("x")())
show(sock:close())
show(sock:setkeepalive())
show(sock:connect(peer.host, peer.port("echo")))
show(sock:getreusedtimes())
show(sock:send("flush"))
show(ngx.thread.wait(reader))
