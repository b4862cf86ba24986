-- both

local peer = require "peer"
local show = require "show"

local sock = peer.connect("echo")
local has_come = require("ngx.semaphore").new(0)
local reader = ngx.thread.spawn(function()
    for _ = 1, 3 do
        show(sock:receive())
        has_come:post()
    end
end)
for index = 1, 3 do
    show(sock:send("line " .. index .. "\n"))
    has_come:wait(5)
end
show(ngx.thread.wait(reader))
