-- serve

local show = require "show"

local sock = ngx.socket.tcp()
show(sock:setkeepalive())
show(sock:setkeepalive(10, 10))
