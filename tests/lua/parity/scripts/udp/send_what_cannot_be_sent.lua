-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.udp()
assert(sock:setpeername(peer.host, peer.port("udp-echo")))
for _, data in ipairs({ { true }, { a = 1 }, print }) do
    show.raised(function()
        local ok, err = sock:send(data)
        return ok, err
    end)
end
show.raised(function()
    local ok, err = sock:send()
    return ok, err
end)
