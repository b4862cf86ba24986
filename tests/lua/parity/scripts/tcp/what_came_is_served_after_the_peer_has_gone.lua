-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("one\ntwo\n")
ngx.sleep(0.02)
show(sock:receive())
show(sock:receive())
show(sock:receive())
