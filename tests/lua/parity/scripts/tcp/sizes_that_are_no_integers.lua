-- both

local peer = require "peer"
local show = require "show"

local sock = peer.plays(("x"):rep(40) .. "\n", peer.wait_for(1))
local reader = sock:receiveuntil("\n")
for _, size in ipairs { 1.7, "1.7", "2" } do
    show(size, reader(size))
    show(size, sock:receive(size))
end
for _, size in ipairs { 0 / 0, 1 / 0, 1e300 } do
    show.raised(function() return (sock:receive(size)) end)
    show.raised(function() return (sock:receiveany(size)) end)
end
show(sock:receive(-0.5))
show.raised(function() return (reader(nil)) end)
show.raised(function() return (reader("x")) end)
show(reader(-0.5))
