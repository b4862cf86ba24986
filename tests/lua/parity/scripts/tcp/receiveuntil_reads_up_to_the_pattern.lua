-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("hello, world --abc\nafter\n")
local reader = sock:receiveuntil("--abc")
show(reader())
show(sock:receive())
show(sock:receive())
