-- serve

local show = require "show"

local each = coroutine.wrap(function(first)
    local second = coroutine.yield(first + 1)
    local third = coroutine.yield(second + 1)
    return third, "end"
end)
show(each(1))
show(each(10))
show(each(100))
