-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("echo")
show(sock:send({ 1, " ", -2, " ", 3.5, " ", 3.14159265357939723846, " ", 1e15, " ", 2 ^ 31, " ", 2 ^ 53, "\n" }))
show(sock:receive())
show(sock:send(42))
show(sock:receive(2))
show(sock:send(0.1))
show(sock:receive(3))
