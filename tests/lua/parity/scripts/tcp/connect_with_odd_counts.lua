-- both

local peer = require "peer"
local show = require "show"

for _, size in ipairs { 0, 0.5, -0.5, -1, 0 / 0, 1 / 0, -1 / 0, "x", "0.5", "2", true } do
    local sock = ngx.socket.tcp()
    show.raised(function()
        local ok, err = sock:connect(peer.host, peer.port("echo"), { pool = "odd" .. tostring(size), pool_size = size })
        return ok, err
    end)
    sock:close()
end
