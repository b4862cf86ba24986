-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("a.b%s*c")
local reader = sock:receiveuntil("%s*")
show(reader())
show(sock:receive("*a"))
