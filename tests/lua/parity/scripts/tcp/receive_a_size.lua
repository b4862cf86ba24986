-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("hello, world")
show(sock:receive(5))
show(sock:receive(2))
show(sock:receive("5"))
show(sock:receive(1))
show(sock:receive(1))
