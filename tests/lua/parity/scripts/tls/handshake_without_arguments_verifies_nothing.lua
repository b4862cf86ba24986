-- both

local peer = require "peer"
local show = require "show"

local sock = peer.connect("tls-stranger")
local session, err = sock:sslhandshake()
show(session ~= nil, err)
show(sock:send("hello\n"))
show(sock:receive())
