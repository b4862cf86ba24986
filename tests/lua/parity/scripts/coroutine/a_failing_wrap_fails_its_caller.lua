-- serve

local show = require "show"

local co = coroutine.create(function()
    local fails = coroutine.wrap(function()
        coroutine.yield(1)
        error("oops")
    end)
    show(fails())
    fails()
end)
show((coroutine.resume(co)))
