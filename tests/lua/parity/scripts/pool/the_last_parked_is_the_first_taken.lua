-- serve

local peer = require "peer"
local show = require "show"

local pool = { pool = "the_last_parked_is_the_first_taken" }
local function parked(name)
    local sock = peer.connect("play", pool)
    peer.play(sock, peer.wait_for(1), name .. "\n", peer.wait_for(1))
    return sock
end
local first, second = parked("first"), parked("second")
show(second:setkeepalive())
show(first:setkeepalive())
for _ = 1, 2 do
    local sock = peer.connect("play", pool)
    show(sock:getreusedtimes(), sock:send("?"), sock:receive())
    sock:close()
end
