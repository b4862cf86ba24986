-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("silent")
for _, pattern in ipairs({ true, {}, print }) do
    show.raised(function()
        local data = sock:receive(pattern)
        return data
    end)
end
show.raised(function()
    local data = sock:receive(nil)
    return data
end)
