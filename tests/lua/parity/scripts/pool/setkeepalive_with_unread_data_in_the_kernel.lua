-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("OK\r\n", 200)
ngx.sleep(0.1)
show(sock:setkeepalive())
show(sock:receive())
show(sock:close())
