-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays("a\n", 3, "b\n", 3, "c\n")
local function lines()
    return coroutine.wrap(function()
        while true do
            local line = sock:receive()
            if not line then
                return
            end
            coroutine.yield(line)
        end
    end)
end
for line in lines() do
    show(line)
end
