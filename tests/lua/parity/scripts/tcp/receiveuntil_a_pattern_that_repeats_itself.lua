-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("abcabcabd\n")
local reader = sock:receiveuntil("abcabd")
show(reader())
show(reader())
