-- serve

local show = require "show"

local co
co = coroutine.create(function()
    show(coroutine.running() == co)
end)
coroutine.resume(co)
show(type((coroutine.running())), coroutine.running() == co)
