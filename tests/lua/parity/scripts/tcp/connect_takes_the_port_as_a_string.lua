-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.tcp()
show(sock:connect(peer.host, tostring(peer.port("echo"))))
show(sock:send("hello\n"))
show(sock:receive())
