-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("foo")
show(sock:receive())
show(sock:receive())
show(sock:send("x"))
show(sock:close())
