-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.tcp()
show.raised(function()
    local ok, err = sock:setoption("keepalive", true)
    return ok, err
end)
assert(sock:connect(peer.host, peer.port("echo")))
sock:close()
show(sock:setoption("keepalive", true))
show(sock:getoption("keepalive"))
