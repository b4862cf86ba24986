-- serve

local peer = require "peer"
local show = require "show"

local first = peer.plays("first\n", 10, "1\n")
local second = peer.plays("second\n", 5, "2\n")
show(first:receive(), second:receive())
show(second:receive(), first:receive())
