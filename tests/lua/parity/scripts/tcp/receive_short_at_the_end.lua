-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("hello")
show(sock:receive(10))
show(sock:receive(10))
