-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("echo", { pool = 4711 })
show(sock:setkeepalive())
sock = peer.connect("echo", { pool = "4711" })
show(sock:getreusedtimes())
sock:close()
