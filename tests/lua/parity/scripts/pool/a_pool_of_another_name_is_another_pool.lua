-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("echo", { pool = "a_pool_of_another_name/1" })
show(sock:setkeepalive())
local other = peer.connect("echo", { pool = "a_pool_of_another_name/2" })
show(other:getreusedtimes())
other:close()
sock = peer.connect("echo", { pool = "a_pool_of_another_name/1" })
show(sock:getreusedtimes())
sock:close()
