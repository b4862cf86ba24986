-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.tcp()
sock:settimeout(20)
assert(sock:connect(peer.host, peer.port("silent")))
show(sock:receive())
assert(sock:connect(peer.host, peer.port("silent")))
show(sock:receive())
