-- serve

local show = require "show"

local sock = ngx.socket.udp()
show(sock:send("x"))
show(sock:receive())
show(sock:close())
