-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("he", 5, "llo\r", 5, "\nwor", 5, "ld\n")
show(sock:receive())
show(sock:receive())
