-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.tcp()
show(sock:settimeouts(1000, 1000, 20))
show(sock:connect(peer.host, peer.port("silent")))
show(sock:receive())
sock:settimeouts(20, 1000, 1000)
show(sock:connect(peer.host, peer.port("unreachable")))
