-- serve

local show = require "show"

local function range(from, to)
    return coroutine.wrap(function()
        for number = from, to do
            coroutine.yield(number)
        end
    end)
end
local sum = 0
for _ = 1, 100 do
    for number in range(1, 10) do
        sum = sum + number
    end
end
show(sum)
