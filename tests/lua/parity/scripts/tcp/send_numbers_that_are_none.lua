-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("echo")
show(sock:send({ 1 / 0, " ", -1 / 0, "\n" }))
show(sock:receive())
