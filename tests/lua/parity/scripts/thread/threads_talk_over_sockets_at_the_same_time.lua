-- serve

local peer = require "peer"
local show = require "show"

local function asks(text, pause)
    return ngx.thread.spawn(function()
        local sock = peer.plays(pause, text .. "\n")
        return sock:receive()
    end)
end
local slow, fast = asks("slow", 60), asks("fast", 5)
show(ngx.thread.wait(slow, fast))
show(ngx.thread.wait(slow))
