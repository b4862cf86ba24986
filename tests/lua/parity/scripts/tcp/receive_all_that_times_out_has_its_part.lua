-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("first\nsome", peer.wait_for(1), "more")
show(sock:receive())
sock:settimeout(20)
show(sock:receive("*a"))
sock:settimeout(1000)
sock:send("?")
show(sock:receive("*a"))
