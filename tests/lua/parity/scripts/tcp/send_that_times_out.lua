-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("play")
peer.play(sock, 1500)
sock:settimeout(20)
show(sock:send(("x"):rep(16 * 1024 * 1024)))
show(sock:send("more"))
