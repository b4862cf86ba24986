-- serve

local show = require "show"

local co = coroutine.create(function()
    coroutine.yield("one")
    coroutine.yield("two")
end)
show(coroutine.resume(co))
local thread = ngx.thread.spawn(function()
    show(coroutine.resume(co))
end)
show(coroutine.resume(co))
show(coroutine.status(co))
