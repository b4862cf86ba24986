-- serve

local peer = require "peer"
local show = require "show"

local options = { pool = "backlog_times_out", pool_size = 1, backlog = 1 }
local first = peer.connect("echo", options)
local second = ngx.socket.tcp()
second:settimeouts(20, 1000, 1000)
show(second:connect(peer.host, peer.port("echo"), options))
show(first:close())
show(second:connect(peer.host, peer.port("echo"), options))
show(second:close())
