-- both

local peer = require "peer"
local show = require "show"

local sock = peer.connect("silent")
local ok, err = pcall(function()
    local data = sock:receive("*x")
    return data
end)
show(ok, err)
