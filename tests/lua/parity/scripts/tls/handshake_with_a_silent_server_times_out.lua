-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("silent")
sock:settimeout(20)
show(sock:sslhandshake())
show(sock:send("x"))
show(sock:close())
