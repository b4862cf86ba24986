-- serve

local peer = require "peer"
local show = require "show"

local data = ("abcdefgh"):rep(5000)
local sock = peer.plays(data)
local got = sock:receive(40000)
show(#got, got == data)
