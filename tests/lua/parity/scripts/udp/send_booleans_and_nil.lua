-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.udp()
assert(sock:setpeername(peer.host, peer.port("udp-echo")))
show(sock:send(true))
show(sock:receive())
show(sock:send(nil))
show(sock:receive())
show(sock:send(3.14))
show(sock:receive())
