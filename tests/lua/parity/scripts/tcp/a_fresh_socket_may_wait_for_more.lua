-- both

local peer = require "peer"
local show = require "show"

show(peer.connect("echo"):getoption("tcp-nodelay"))
