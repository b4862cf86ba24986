-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("OK\r\n", peer.wait_for(1))
show(sock:receive(1))
show(sock:setkeepalive())
show(sock:receive())
