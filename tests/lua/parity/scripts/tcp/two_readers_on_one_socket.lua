-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("a:b;c:d;")
local colon = sock:receiveuntil(":")
local semicolon = sock:receiveuntil(";")
show(colon(), semicolon())
show(colon(), semicolon())
