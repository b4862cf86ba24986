-- both

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.tcp()
show(sock:connect(peer.host, peer.port("refusing")))
show(sock:send("x"))
show(sock:receive())
show(sock:close())
show(sock:setkeepalive())
