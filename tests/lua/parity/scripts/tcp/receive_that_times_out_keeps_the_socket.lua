-- both

local peer = require "peer"
local show = require "show"

local sock = peer.plays("first\n2\r\nhi\r\n", peer.wait_for(1), "5\r\nworld\r\n")
show(sock:receive())
sock:settimeout(20)
show(sock:receive(100))
sock:settimeout(1000)
sock:send("?")
show(sock:receive())
show(sock:receive())
