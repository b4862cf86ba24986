-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("bye", peer.FINISH, peer.wait_for(4))
show(sock:receive("*a"))
show(sock:send("more"))
