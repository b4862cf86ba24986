-- serve

local show = require "show"

local co
co = coroutine.create(function()
    local inner = coroutine.wrap(function()
        ngx.sleep(0.01)
    end)
    inner()
end)
ngx.thread.spawn(function()
    ngx.sleep(0.003)
    show(coroutine.status(co))
end)
coroutine.resume(co)
show(coroutine.status(co))
