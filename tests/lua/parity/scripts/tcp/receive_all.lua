-- both

local peer = require "peer"
local show = require "show"

local sock = peer.plays("foo\r\n", 5, "bar\0\r", 5, "end")
show(sock:receive("*a"))
show(sock:receive("*a"))
show(sock:receive())
