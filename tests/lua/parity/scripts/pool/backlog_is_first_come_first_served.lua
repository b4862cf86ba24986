-- serve

local peer = require "peer"
local show = require "show"

local options = { pool = "backlog_is_first_come_first_served", pool_size = 1, backlog = 3 }
local first = peer.connect("echo", options)
local threads = {}
for index = 1, 3 do
    threads[index] = ngx.thread.spawn(function()
        local sock = ngx.socket.tcp()
        show(index, sock:connect(peer.host, peer.port("echo"), options))
        ngx.sleep(0.005)
        sock:setkeepalive()
    end)
end
show(first:setkeepalive())
for _, thread in ipairs(threads) do
    show(ngx.thread.wait(thread))
end
local last = peer.connect("echo", options)
show(last:getreusedtimes())
last:close()
