-- both

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.tcp()
sock:settimeout(30)
show(sock:connect(peer.host, peer.port("unreachable")))
show(sock:send("x"))
show(sock:close())
