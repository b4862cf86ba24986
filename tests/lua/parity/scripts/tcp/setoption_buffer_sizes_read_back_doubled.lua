-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("echo")
show(sock:setoption("sndbuf", 20000))
show(sock:getoption("sndbuf"))
show(sock:setoption("rcvbuf", 20000))
show(sock:getoption("rcvbuf"))
