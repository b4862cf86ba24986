-- both

local peer = require "peer"
local show = require "show"

local sock = peer.plays("foo\r\rbar\rbaz\r\n\r\r\n")
show(sock:receive())
show(sock:receive())
