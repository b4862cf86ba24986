-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("tls")
show(pcall(function()
    return sock:setclientcert(nil, nil)
end))
show(sock:sslhandshake(false, "peer.test", true))
