-- serve

local show = require "show"

local sock = ngx.socket.tcp()
show(sock:connect("127.0.0.1", 65536))
show(sock:connect("127.0.0.1", -1))
show(sock:connect("127.0.0.1", "70000"))
