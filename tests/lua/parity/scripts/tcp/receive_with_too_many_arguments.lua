-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("silent")
show.raised(function()
    local data = sock:receive(1, 2)
    return data
end)
