-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.udp()
assert(sock:setpeername(peer.host, peer.port("udp-echo")))
show(sock:send(""))
show(sock:receive())
show(sock:send("more"))
show(sock:receive())
