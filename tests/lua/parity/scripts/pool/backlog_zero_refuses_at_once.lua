-- serve

local peer = require "peer"
local show = require "show"

local options = { pool = "backlog_zero_refuses_at_once", pool_size = 1, backlog = 0 }
local first, second = ngx.socket.tcp(), ngx.socket.tcp()
show(first:connect(peer.host, peer.port("echo"), options))
show(second:connect(peer.host, peer.port("echo"), options))
show(first:close())
show(second:connect(peer.host, peer.port("echo"), options))
show(second:close())
