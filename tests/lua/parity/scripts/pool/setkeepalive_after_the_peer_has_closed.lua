-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("bye\n")
show(sock:receive())
show(sock:receive())
show(sock:setkeepalive())
