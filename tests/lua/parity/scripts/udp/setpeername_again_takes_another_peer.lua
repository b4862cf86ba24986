-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.udp()
show(sock:setpeername(peer.host, peer.port("udp-silent")))
show(sock:setpeername(peer.host, peer.port("udp-echo")))
show(sock:send("hi"))
show(sock:receive())
