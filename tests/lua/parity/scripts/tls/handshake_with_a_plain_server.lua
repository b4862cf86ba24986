-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("echo")
show(sock:sslhandshake(nil, "peer.test", false))
show(sock:send("x"))
