-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.udp()
assert(sock:setpeername(peer.host, peer.port("udp-echo")))
show(sock:send(("x"):rep(8000)))
local data, err = sock:receive()
show(#data, err)
