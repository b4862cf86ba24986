-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.udp()
show(sock:setpeername(peer.sock("nothing")))
show(sock:setpeername("unix:"))
