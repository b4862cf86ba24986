-- serve

local show = require "show"

local sock = ngx.socket.tcp()
show(sock:connect("refused.test", 80))
