-- both

local show = require "show"

local co = coroutine.create(function()
    error("oops")
end)
show(coroutine.resume(co))
show(coroutine.status(co))
co = coroutine.create(function()
    error({ 1, 2 }, 0)
end)
show(coroutine.resume(co))
co = coroutine.create(function()
    local nothing
    return nothing.field
end)
show(coroutine.resume(co))
