-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.udp()
assert(sock:setpeername(peer.host, peer.port("udp-echo")))
show(sock:send(("x"):rep(70000)))
show(sock:send("short"))
show(sock:receive())
