-- serve

local peer = require "peer"
local show = require "show"

show.raised(function()
    local sock = ngx.socket.tcp()
    sock:connect()
end)
show.raised(function()
    local sock = ngx.socket.tcp()
    sock:connect(peer.host, 80, {}, "more")
end)
