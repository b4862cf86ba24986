-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("seen\nold\n")
show(sock:receive())
show(sock:connect(peer.host, peer.port("play")))
peer.play(sock, "new\n")
show(sock:receive())
