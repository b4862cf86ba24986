-- both

local peer = require "peer"
local show = require "show"

local sock = peer.connect("echo")
show(sock:send({ "GET", " ", { "/foo", { " HTTP/", 1, ".", 0 } }, "\r\n" }))
show(sock:receive())
