-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("echo", { pool = "setkeepalive_twice" })
show(sock:setkeepalive(20))
show(sock:setkeepalive(20))
show(sock:close())
