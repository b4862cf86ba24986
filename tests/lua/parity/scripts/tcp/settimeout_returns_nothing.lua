-- serve

local show = require "show"

local sock = ngx.socket.tcp()
show(sock:settimeout(100))
show(sock:settimeout("100"))
show(sock:settimeout(0))
