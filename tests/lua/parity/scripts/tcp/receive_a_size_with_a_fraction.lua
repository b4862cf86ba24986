-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("hello")
show(sock:receive(2.9))
show(sock:receive("1e0"))
show(sock:receive("0x2"))
