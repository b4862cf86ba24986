-- both

local peer = require "peer"
local show = require "show"

local sock = peer.connect("tls")
show(sock:sslhandshake(nil, "other.test", true))
show(sock:send("x"))
show(sock:close())
