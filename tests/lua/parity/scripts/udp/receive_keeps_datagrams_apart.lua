-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.udp()
assert(sock:setpeername(peer.host, peer.port("udp-play")))
show(sock:send("one\ntwo\nthree"))
show(sock:receive())
show(sock:receive())
show(sock:receive())
