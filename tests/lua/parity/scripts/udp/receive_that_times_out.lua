-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.udp()
assert(sock:setpeername(peer.host, peer.port("udp-silent")))
sock:settimeout(10)
show(sock:send("anybody"))
show(sock:receive())
show(sock:close())
