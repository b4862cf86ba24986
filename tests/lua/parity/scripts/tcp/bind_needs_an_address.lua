-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.tcp()
show(sock:bind("peer.test"))
show(sock:bind("127.0.0.1000"))
show(sock:bind("127.1"))
show(sock:bind("127.0.0.1"))
show(sock:connect(peer.host, peer.port("echo")))
