-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("k=v&k2=v2")
show(sock:receiveuntil("=")())
show(sock:receiveuntil("&")())
show(sock:receiveuntil("=")())
