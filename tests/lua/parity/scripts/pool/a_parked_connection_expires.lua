-- serve

local peer = require "peer"
local show = require "show"

local pool = { pool = "a_parked_connection_expires" }
local sock = peer.connect("echo", pool)
show(sock:setkeepalive(10))
ngx.sleep(0.05)
sock = peer.connect("echo", pool)
show(sock:getreusedtimes())
sock:close()
