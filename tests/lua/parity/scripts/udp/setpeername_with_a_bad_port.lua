-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.udp()
show(sock:setpeername(peer.host, 65536))
show(sock:setpeername(peer.host, -1))
show.raised(function()
    local ok, err = sock:setpeername(peer.host, "x")
    return ok, err
end)
show.raised(function()
    local ok, err = sock:setpeername()
    return ok, err
end)
