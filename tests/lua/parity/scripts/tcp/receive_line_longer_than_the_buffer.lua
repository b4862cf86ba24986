-- serve

local peer = require "peer"
local show = require "show"

local line = ("0123456789"):rep(2000)
local sock = peer.plays(line .. "\nend\n")
local data = sock:receive()
show(#data, data == line)
show(sock:receive())
