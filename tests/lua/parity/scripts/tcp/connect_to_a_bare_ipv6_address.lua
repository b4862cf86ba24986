-- serve

local peer = require "peer"
local show = require "show"

local sock = ngx.socket.tcp()
show(sock:connect("::1", peer.port("refusing")))
