-- serve

local show = require "show"

local sock = ngx.socket.tcp()
show(sock:connect("missing.test", 80))
show(sock:send("x"))
