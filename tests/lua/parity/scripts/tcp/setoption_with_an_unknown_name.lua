-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("echo")
show(sock:setoption("colour", 1))
show(sock:getoption("colour"))
show(sock:setoption())
show(sock:setoption("keepalive"))
show(sock:getoption())
