-- serve

local show = require "show"

local sock = ngx.socket.udp()
show(sock:settimeout(10))
show.raised(function()
    sock:settimeout()
end)
