-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("hello, world ----abc\n")
local reader = sock:receiveuntil("--abc")
for _ = 1, 6 do
    show(reader(4))
    show(sock:receive(1))
end
