-- serve

local show = require "show"

local sock = ngx.socket.udp()
show(sock:setpeername("missing.test", 80))
show(sock:send("x"))
