-- both

local show = require "show"

local co
co = coroutine.create(function()
    show(coroutine.resume(co))
    local inner = coroutine.create(function()
        show(coroutine.resume(co))
    end)
    coroutine.resume(inner)
end)
coroutine.resume(co)
show(coroutine.resume(co))
show(coroutine.resume(coroutine.running()))
