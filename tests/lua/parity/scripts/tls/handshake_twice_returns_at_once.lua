-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("tls")
show(sock:sslhandshake(false, "peer.test", true))
show(sock:sslhandshake(false, "other.test", true))
show(sock:send("hello\n"))
show(sock:receive())
