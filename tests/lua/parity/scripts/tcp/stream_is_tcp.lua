-- serve

local peer = require "peer"
local show = require "show"

show(ngx.socket.stream == ngx.socket.tcp)
local sock = ngx.socket.stream()
show(sock:connect(peer.host, peer.port("echo")))
