-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("silent")
for _, size in ipairs({ 0, -1, "x", 0.5 }) do
    show.raised(function()
        local data = sock:receiveany(size)
        return data
    end)
end
show.raised(function()
    local data = sock:receiveany()
    return data
end)
