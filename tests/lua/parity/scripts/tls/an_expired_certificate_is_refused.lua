-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("tls-expired")
show(sock:sslhandshake(nil, "peer.test", true))
