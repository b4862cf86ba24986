-- both

local peer = require "peer"
local show = require "show"

local function connect()
    local sock = ngx.socket.tcp()
    show(sock:connect(peer.host, peer.port("echo"), { pool = "setkeepalive_and_connect_reuse" }))
    return sock
end
local sock = connect()
show(sock:getreusedtimes())
show(sock:setkeepalive())
show(sock:getreusedtimes())
show(sock:send("x"))
show(sock:receive())
sock = connect()
show(sock:getreusedtimes())
show(sock:send("again\n"))
show(sock:receive())
show(sock:setkeepalive())
sock = connect()
show(sock:getreusedtimes())
show(sock:close())
