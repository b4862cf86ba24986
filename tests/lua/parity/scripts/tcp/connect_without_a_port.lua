-- serve

local show = require "show"

local sock = ngx.socket.tcp()
show(sock:connect("127.0.0.1"))
show(sock:connect("127.0.0.1", nil))
show(sock:connect("127.0.0.1", {}))
show(sock:connect("127.0.0.1", "http"))
show(sock:connect("/some/path.sock"))
