-- both

local peer = require "peer"
local show = require "show"

-- What the first user asked for is still to come, and the pool does not mind.
local pool = { pool = "setkeepalive_after_a_read_timed_out" }
local sock = peer.connect("play", pool)
show(sock:send("pause 150,send 6c6174650a,pause 500\n"))
sock:settimeout(20)
show(sock:receive())
show(sock:setkeepalive())
sock = ngx.socket.tcp()
show(sock:connect(peer.host, peer.port("play"), pool))
show(sock:getreusedtimes())
show(sock:receive())
show(sock:close())
