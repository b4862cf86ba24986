-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("tls")
assert(sock:sslhandshake(nil, "peer.test", true))
local data = ("0123456789abcdef"):rep(6000)
local received
local reader = ngx.thread.spawn(function()
    received = sock:receive(#data)
end)
show(sock:send(data))
ngx.thread.wait(reader)
show(received == data)
