-- both

local peer = require "peer"
local show = require "show"

local sock = peer.plays("one\ntwo\r\n\nrest")
show(sock:receive())
show(sock:receive("*l"))
show(sock:receive("*l"))
show(sock:receive("*l"))
show(sock:receive("*l"))
