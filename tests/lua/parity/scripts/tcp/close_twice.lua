-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("echo")
show(sock:close())
show(sock:close())
show(sock:receive())
show(sock:send("x"))
