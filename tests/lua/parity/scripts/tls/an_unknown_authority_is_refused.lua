-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("tls-stranger")
show(sock:sslhandshake(nil, "peer.test", true))
show(sock:send("x"))
show(sock:receive())
