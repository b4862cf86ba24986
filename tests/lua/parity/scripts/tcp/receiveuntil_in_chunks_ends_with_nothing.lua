-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("abcdENDefEND")
local reader = sock:receiveuntil("END")
show(reader(4))
show(reader(4))
show(reader(4))
show(reader(4))
show(reader(4))
show(reader(4))
