-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("a\nb\n", 5, "c\nd")
while true do
    local line, err, partial = sock:receive()
    show(line, err, partial)
    if not line then
        break
    end
end
