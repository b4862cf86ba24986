-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("one;two;")
local reader = sock:receiveuntil(";", { inclusive = true })
show(reader())
show(reader())
