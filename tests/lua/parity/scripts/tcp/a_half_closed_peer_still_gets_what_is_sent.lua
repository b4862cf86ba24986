-- both

local peer = require "peer"
local show = require "show"

local sock = peer.plays("ask\n", peer.FINISH, peer.wait_for(5))
show(sock:receive())
show(sock:receive())
show(sock:receive())
show(sock:send("reply"))
show(sock:close())
