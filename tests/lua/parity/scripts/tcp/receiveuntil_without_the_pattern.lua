-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("no pattern here")
local reader = sock:receiveuntil("--abc")
show(reader())
show(reader())
