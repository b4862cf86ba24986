-- serve

local peer = require "peer"
local show = require "show"

local pool = { pool = "a_full_pool_evicts_the_oldest", pool_size = 2 }
local socks = {}
for index = 1, 3 do
    socks[index] = peer.connect("play", pool)
    peer.play(socks[index], peer.wait_for(1), index .. "\n", peer.wait_for(1))
end
for index = 1, 3 do
    show(socks[index]:setkeepalive())
end
for _ = 1, 2 do
    local sock = peer.connect("play", pool)
    show(sock:getreusedtimes(), sock:send("?"), sock:receive())
    sock:close()
end
local sock = peer.connect("play", pool)
show(sock:getreusedtimes())
sock:close()
