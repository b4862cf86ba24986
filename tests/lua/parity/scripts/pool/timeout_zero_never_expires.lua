-- serve

local peer = require "peer"
local show = require "show"

local pool = { pool = "timeout_zero_never_expires" }
local sock = peer.connect("echo", pool)
show(sock:setkeepalive(0))
ngx.sleep(0.02)
sock = peer.connect("echo", pool)
show(sock:getreusedtimes())
sock:close()
