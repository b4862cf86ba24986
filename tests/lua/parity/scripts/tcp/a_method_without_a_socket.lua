-- serve

local show = require "show"

show.raised(function()
    local sock = ngx.socket.tcp()
    sock.receive()
end)
show.raised(function()
    local sock = ngx.socket.tcp()
    return sock.close({})
end)
