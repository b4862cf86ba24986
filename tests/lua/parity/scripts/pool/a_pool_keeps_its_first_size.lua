-- serve

local peer = require "peer"
local show = require "show"

local name = "a_pool_keeps_its_first_size"
local first = peer.connect("echo", { pool = name, pool_size = 1 })
local second = peer.connect("echo", { pool = name, pool_size = 20 })
show(first:setkeepalive(0, 20))
show(second:setkeepalive(0, 20))
local third, fourth = peer.connect("echo", { pool = name }), peer.connect("echo", { pool = name })
show(third:getreusedtimes(), fourth:getreusedtimes())
third:close()
fourth:close()
