-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.udp()
assert(sock:setpeername(peer.host, peer.port("udp-echo")))
sock:settimeout(10)
show(sock:receive())
sock:settimeout(1000)
show(sock:send("now"))
show(sock:receive())
