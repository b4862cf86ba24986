-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("one;two;")
show.raised(function()
    local reader = sock:receiveuntil(";", { inclusive = "true" })
    return reader
end)
show.raised(function()
    local reader = sock:receiveuntil(";", { inclusive = 1 })
    return reader
end)
show.raised(function()
    local reader = sock:receiveuntil(";", "inclusive")
    return reader
end)
show.raised(function()
    local reader = sock:receiveuntil(";", { other = 1 })
    show(reader())
end)
