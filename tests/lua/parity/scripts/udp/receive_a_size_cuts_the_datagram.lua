-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.udp()
assert(sock:setpeername(peer.host, peer.port("udp-play")))
show(sock:send("hello\nworld"))
show(sock:receive(2))
show(sock:receive(2))
