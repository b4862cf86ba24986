-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("echo")
show(sock:send(true))
show(sock:send(false))
show(sock:send(nil))
show(sock:receive(12))
