-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("first\npar\rt", peer.wait_for(1), "ial\n")
show(sock:receive())
sock:settimeout(20)
show(sock:receive())
sock:settimeout(1000)
sock:send("?")
show(sock:receive())
