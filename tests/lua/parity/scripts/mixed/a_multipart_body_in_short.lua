-- both

local peer = require "peer"
local show = require "show"

local sock = peer.plays("--b\r\nName: one\r\n\r\nfirst part\r\n--b\r\nName: two\r\n\r\nsecond\r\n--b--\r\n")
local to_boundary = sock:receiveuntil("--b")
local to_line = sock:receiveuntil("\r\n")
show(to_boundary())
for _ = 1, 2 do
    show(to_line())
    show(to_line())
    show(to_line())
    show(to_boundary())
end
show(sock:receive(2))
show(sock:receive())
