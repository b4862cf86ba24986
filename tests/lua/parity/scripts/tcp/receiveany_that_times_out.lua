-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("silent")
sock:settimeout(10)
show(sock:receiveany(100))
