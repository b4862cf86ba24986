-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("hello--")
local reader = sock:receiveuntil("--")
show.raised(function()
    local data = reader("x")
    return data
end)
show.raised(function()
    local data = reader({})
    return data
end)
