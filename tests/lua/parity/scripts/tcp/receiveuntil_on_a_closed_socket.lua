-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("foo")
local reader = sock:receiveuntil("x")
sock:close()
show(reader())
show(sock:receiveuntil("x") ~= nil)
