-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.tcp()
show(sock:connect(peer.host, peer.port("echo")))
show(sock:close())
