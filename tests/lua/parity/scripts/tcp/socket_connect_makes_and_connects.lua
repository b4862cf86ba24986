-- serve

local peer = require "peer"
local show = require "show"

local sock, err = ngx.socket.connect(peer.host, peer.port("echo"))
show(type(sock), err)
show(sock:send("hi\n"))
show(sock:receive())
show(sock:close())
