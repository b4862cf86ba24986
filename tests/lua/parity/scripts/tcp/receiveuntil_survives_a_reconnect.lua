-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("a;b")
local reader = sock:receiveuntil(";")
show(reader())
assert(sock:connect(peer.host, peer.port("play")))
peer.play(sock, "c;d")
show(reader())
