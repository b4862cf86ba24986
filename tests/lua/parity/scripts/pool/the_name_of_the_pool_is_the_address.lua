-- serve
-- The pool of a name is not the pool of the address that it stands for.

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.tcp()
assert(sock:connect("peer.test", peer.port("silent")))
show(sock:setkeepalive())
assert(sock:connect("127.0.0.1", peer.port("silent")))
show(sock:getreusedtimes())
show(sock:close())
assert(sock:connect("peer.test", peer.port("silent")))
show(sock:getreusedtimes())
show(sock:close())
