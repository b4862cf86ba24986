-- serve

local peer = require "peer"
local show = require "show"

local pool = { pool = "handshake_of_a_parked_connection" }
local sock = peer.connect("tls", pool)
show(sock:sslhandshake(false, "peer.test", true))
show(sock:setkeepalive())
sock = peer.connect("tls", pool)
show(sock:getreusedtimes())
show(sock:sslhandshake(false, "peer.test", true))
show(sock:send("again\n"))
show(sock:receive())
show(sock:close())
