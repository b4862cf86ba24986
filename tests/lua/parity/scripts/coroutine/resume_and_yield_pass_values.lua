-- both

local show = require "show"

local co = coroutine.create(function(...)
    show("first", ...)
    show("second", coroutine.yield(1, nil, "x"))
    show("third", coroutine.yield())
    return "end", nil
end)
show(coroutine.resume(co, "a", nil))
show(coroutine.resume(co, "b"))
show(coroutine.resume(co))
show(coroutine.resume(co))
