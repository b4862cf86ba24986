-- serve

local peer = require "peer"
local show = require "show"

local options = { pool = "backlog_waits_for_a_close", pool_size = 1, backlog = 1 }
local first = peer.connect("echo", options)
local waiting = ngx.thread.spawn(function()
    local second = ngx.socket.tcp()
    show("second", second:connect(peer.host, peer.port("echo"), options))
    show(second:getreusedtimes())
    show(second:close())
end)
ngx.sleep(0.01)
show(first:close())
show("closed")
show(ngx.thread.wait(waiting))
