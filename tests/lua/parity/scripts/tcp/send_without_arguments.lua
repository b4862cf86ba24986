-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("echo")
show.raised(function()
    local bytes = sock:send()
    return bytes
end)
show.raised(function()
    local bytes = sock:send("a", "b")
    return bytes
end)
