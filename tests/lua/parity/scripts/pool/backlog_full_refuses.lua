-- serve

local peer = require "peer"
local show = require "show"

local options = { pool = "backlog_full_refuses", pool_size = 1, backlog = 1 }
local first = peer.connect("echo", options)
local waiting = ngx.thread.spawn(function()
    local second = ngx.socket.tcp()
    show("second", second:connect(peer.host, peer.port("echo"), options))
    second:close()
end)
local third = ngx.socket.tcp()
show("third", third:connect(peer.host, peer.port("echo"), options))
show(first:close())
show(ngx.thread.wait(waiting))
