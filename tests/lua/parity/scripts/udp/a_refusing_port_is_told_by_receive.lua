-- both

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.udp()
assert(sock:setpeername(peer.host, peer.port("udp-refusing")))
sock:settimeout(1000)
show(sock:send("abc"))
show(sock:receive())
show(sock:close())
