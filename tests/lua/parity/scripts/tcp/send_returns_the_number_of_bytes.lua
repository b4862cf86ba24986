-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("echo")
show(sock:send("hello"))
show(sock:send(""))
show(sock:send({}))
show(sock:receive(5))
