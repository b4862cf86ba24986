-- serve

local show = require "show"

local sock = ngx.socket.tcp()
show(sock:connect("unix:"))
show((select(2, sock:connect("unix:/" .. ("x"):rep(120)))):gsub("x+", "x"))
