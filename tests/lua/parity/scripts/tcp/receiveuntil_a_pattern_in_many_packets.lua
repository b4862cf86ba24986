-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("x--", 5, "-a", 5, "b", 5, "cy--ab", 5, "c")
local reader = sock:receiveuntil("--abc")
show(reader())
show(reader())
