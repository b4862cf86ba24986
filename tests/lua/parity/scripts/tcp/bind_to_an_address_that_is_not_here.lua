-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.tcp()
show(sock:bind("192.0.2.1"))
show(sock:connect(peer.host, peer.port("echo")))
