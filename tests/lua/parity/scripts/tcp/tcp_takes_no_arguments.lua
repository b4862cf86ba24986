-- serve

local show = require "show"

show.raised(function()
    local sock = ngx.socket.tcp(1)
    return sock
end)
