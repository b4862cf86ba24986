-- serve

local show = require "show"

local sock = ngx.socket.tcp()
show(sock:connect("", 80))
show(sock:connect("a/b", 80))
show(sock:connect("[::1", 80))
show(sock:connect("a?b", 80))
