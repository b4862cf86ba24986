-- both

local peer = require "peer"
local show = require "show"

local sock = peer.connect("silent")
for _, pattern in ipairs({ "*x", "l", "", "*line", "*" }) do
    show.raised(function()
        local data = sock:receive(pattern)
        return data
    end)
end
