-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("one")
show(sock:receiveuntil(""))
