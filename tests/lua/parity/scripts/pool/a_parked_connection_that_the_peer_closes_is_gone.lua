-- serve

local peer = require "peer"
local show = require "show"

local pool = { pool = "a_parked_connection_that_the_peer_closes" }
local sock = peer.connect("play", pool)
peer.play(sock, "hi\n", 20)
show(sock:receive())
show(sock:setkeepalive())
ngx.sleep(0.12)
sock = peer.connect("play", pool)
show(sock:getreusedtimes())
sock:close()
