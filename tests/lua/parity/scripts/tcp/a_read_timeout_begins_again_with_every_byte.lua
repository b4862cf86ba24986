-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("a", 60, "b", 60, "c", 60, "d")
sock:settimeout(150)
show(sock:receive(4))
