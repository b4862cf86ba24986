-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("tls12")
local session = assert(sock:sslhandshake(nil, "peer.test", true))
sock:close()
sock = peer.connect("tls12")
local second, err = sock:sslhandshake(session, "peer.test", true)
show(second ~= nil, err)
show(sock:send("hello\n"))
show(sock:receive())
