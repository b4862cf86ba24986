-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays(20, "late")
show(sock:receiveany(100))
show(sock:receiveany(100))
