-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays()
ngx.sleep(0.1)
show(sock:setkeepalive())
show(sock:close())
