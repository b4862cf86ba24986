-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("tls")
sock:close()
show(sock:sslhandshake())
