-- both

local show = require "show"

local co = coroutine.wrap(function()
    show(pcall(function()
        local got = coroutine.yield("out of pcall")
        error("got " .. got, 0)
    end))
    return "end"
end)
show(co())
show(co("a value"))
