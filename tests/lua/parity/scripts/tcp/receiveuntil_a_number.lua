-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("a1b1")
local reader = sock:receiveuntil(1)
show(reader())
show(reader())
