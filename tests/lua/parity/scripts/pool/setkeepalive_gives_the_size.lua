-- serve

local peer = require "peer"
local show = require "show"

local name = "setkeepalive_gives_the_size"
local first, second = peer.connect("echo", { pool = name }), peer.connect("echo", { pool = name })
show(first:setkeepalive(1000, 1))
show(second:setkeepalive(1000, 1))
local third, fourth = peer.connect("echo", { pool = name }), peer.connect("echo", { pool = name })
show(third:getreusedtimes(), fourth:getreusedtimes())
third:close()
fourth:close()
