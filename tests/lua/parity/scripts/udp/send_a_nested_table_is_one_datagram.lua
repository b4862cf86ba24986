-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.udp()
assert(sock:setpeername(peer.host, peer.port("udp-echo")))
show(sock:send({ "a", { 1, "b", { 2.5 } }, "c" }))
show(sock:receive())
