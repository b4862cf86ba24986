-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("a,b,,c")
local reader = sock:receiveuntil(",")
show(reader())
show(reader())
show(reader())
show(reader())
show(reader())
