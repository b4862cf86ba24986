-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("echo")
show(sock:setoption("keepalive", true))
show(sock:setoption("tcp-nodelay", true))
show(sock:setoption("reuseaddr", true))
show(sock:setoption("sndbuf", 65536))
show(sock:setoption("rcvbuf", 65536))
show(sock:getoption("keepalive"))
show(sock:getoption("tcp-nodelay"))
show(sock:getoption("reuseaddr"))
