-- serve

local show = require "show"

show.raised(function()
    local sock = ngx.socket.udp(1)
    return sock
end)
