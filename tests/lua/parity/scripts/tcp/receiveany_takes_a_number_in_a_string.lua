-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("hello")
show(sock:receiveany("2"))
show(sock:receiveany(2.9))
