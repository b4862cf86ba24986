-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("tls")
assert(sock:sslhandshake(nil, "peer.test", true))
show(sock:send("a\r\nb;c\n"))
show(sock:receive())
show(sock:receiveuntil(";")())
show(sock:receive(1))
sock:settimeout(10)
show(sock:receive(2))
