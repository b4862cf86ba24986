-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("silent")
show(sock:receive(0))
show(sock:receive(0.5))
sock:close()
show(sock:receive(0))
