-- serve

local peer = require "peer"
local show = require "show"

local function reader(name)
    local sock = peer.plays(name .. "1\n", 3, name .. "2\n")
    return coroutine.wrap(function()
        for _ = 1, 2 do
            coroutine.yield((sock:receive()))
        end
    end)
end
local a, b = reader("a"), reader("b")
show(a(), b(), a(), b())
