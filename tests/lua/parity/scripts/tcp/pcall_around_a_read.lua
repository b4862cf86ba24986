-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays(5, "line\n")
show(pcall(sock.receive, sock))
show(pcall(function()
    return sock:receive()
end))
show(xpcall(function()
    return sock:receive()
end, function(err)
    return "handled: " .. err
end))
