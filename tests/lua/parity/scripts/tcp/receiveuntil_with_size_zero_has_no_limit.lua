-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("hello--rest--")
local reader = sock:receiveuntil("--")
show(reader(0))
show(reader(-1))
