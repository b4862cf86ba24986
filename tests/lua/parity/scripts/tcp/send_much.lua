-- both

local peer = require "peer"
local show = require "show"

local sock = peer.connect("echo")
local data = ("0123456789abcdef"):rep(8192)
local received
local reader = ngx.thread.spawn(function()
    received = sock:receive(#data)
end)
show(sock:send(data))
show(ngx.thread.wait(reader))
show(#received, received == data)
