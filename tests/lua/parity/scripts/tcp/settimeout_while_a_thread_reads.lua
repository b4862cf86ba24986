-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("silent")
sock:settimeout(20)
local reader = ngx.thread.spawn(function()
    show(sock:receive())
    show(sock:receive())
end)
sock:settimeout(10)
show(ngx.thread.wait(reader))
