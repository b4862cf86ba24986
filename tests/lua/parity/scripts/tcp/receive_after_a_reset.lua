-- both

local peer = require "peer"
local show = require "show"

local sock = peer.plays("data", peer.wait_for(1), peer.RESET)
show(sock:receive(4))
sock:send("?")
show(sock:receive(1))
show(sock:receive(1))
show(sock:close())
