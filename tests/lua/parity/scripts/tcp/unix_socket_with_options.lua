-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.tcp()
show(sock:connect(peer.sock("echo"), { pool = "unix_socket_with_options" }))
show(sock:send("a\n"))
show(sock:receive())
show(sock:setkeepalive(1000))
show(sock:connect(peer.sock("silent"), { pool = "unix_socket_with_options" }))
show(sock:getreusedtimes())
show(sock:send("still the first\n"))
show(sock:receive())
show(sock:close())
