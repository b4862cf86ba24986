-- both

local show = require "show"

local function numbers(last)
    return coroutine.wrap(function()
        for number = 1, last do
            coroutine.yield(number, number * number)
        end
    end)
end
for number, square in numbers(3) do
    show(number, square)
end
