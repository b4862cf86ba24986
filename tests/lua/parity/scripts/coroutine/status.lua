-- both

local show = require "show"

local co
co = coroutine.create(function()
    show("inside", coroutine.status(co))
    local inner = coroutine.create(function()
        show("from the inner one", coroutine.status(co))
    end)
    coroutine.resume(inner)
    coroutine.yield()
end)
show(coroutine.status(co))
coroutine.resume(co)
show(coroutine.status(co))
coroutine.resume(co)
show(coroutine.status(co))
show(coroutine.status(coroutine.running()))
