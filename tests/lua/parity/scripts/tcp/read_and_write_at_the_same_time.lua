-- both

local peer = require "peer"
local show = require "show"

local sock = peer.connect("echo")
local reader = ngx.thread.spawn(function()
    for _ = 1, 3 do
        show(sock:receive())
    end
end)
for index = 1, 3 do
    show(sock:send("line " .. index .. "\n"))
    ngx.sleep(0.01)
end
show(ngx.thread.wait(reader))
