-- both

local peer = require "peer"
local show = require "show"

local sock = peer.plays("first\nfoo--a", peer.wait_for(1), "bc!")
local reader = sock:receiveuntil("--abc")
show(sock:receive())
sock:settimeout(20)
show(reader())
sock:settimeout(1000)
sock:send("?")
show(reader())
show(sock:receive(1))
