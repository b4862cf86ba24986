-- both

local peer = require "peer"
local show = require "show"

local sock = peer.connect("tls")
local session, err = sock:sslhandshake(nil, "peer.test", true)
show(session ~= nil, err)
show(sock:send("hello\n"))
show(sock:receive())
