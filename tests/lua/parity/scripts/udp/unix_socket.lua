-- both

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.udp()
show(sock:setpeername(peer.sock("datagrams")))
show(sock:send("hello"))
show(sock:receive())
show(sock:close())
