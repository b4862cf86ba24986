-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("one")
show.raised(function()
    local reader = sock:receiveuntil()
    return reader
end)
show.raised(function()
    local reader = sock:receiveuntil({})
    return reader
end)
