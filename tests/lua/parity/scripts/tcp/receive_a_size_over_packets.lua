-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("a", 5, "b", 5, "c", 5, "d")
show(sock:receive(4))
