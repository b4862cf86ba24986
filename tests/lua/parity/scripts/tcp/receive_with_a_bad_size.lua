-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("silent")
show.raised(function()
    local data = sock:receive(-1)
    return data
end)
show.raised(function()
    local data = sock:receive("-3")
    return data
end)
