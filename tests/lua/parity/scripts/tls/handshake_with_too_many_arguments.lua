-- serve

local peer = require "peer"
local show = require "show"

show.raised(function()
    local sock = peer.connect("tls")
    local ok, err = sock:sslhandshake(nil, "peer.test", true, false, 5, 6)
    return ok, err
end)
