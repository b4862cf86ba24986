-- both

local peer = require "peer"
local show = require "show"

local sock = peer.plays("hello world")
show(sock:receiveany(7))
show(sock:receiveany(7))
show(sock:receiveany(7))
