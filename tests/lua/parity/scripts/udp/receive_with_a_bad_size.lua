-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.udp()
assert(sock:setpeername(peer.host, peer.port("udp-echo")))
show.raised(function()
    local data, err = sock:receive("x")
    return data, err
end)
show.raised(function()
    local data, err = sock:receive({})
    return data, err
end)
show.raised(function()
    local data, err = sock:receive(1, 2)
    return data, err
end)
