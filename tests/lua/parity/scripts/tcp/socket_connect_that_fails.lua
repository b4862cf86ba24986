-- serve

local peer = require "peer"
local show = require "show"

show(ngx.socket.connect(peer.host, peer.port("refusing")))
