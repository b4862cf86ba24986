-- serve

local show = require "show"

local thread
thread = ngx.thread.spawn(function()
    show(coroutine.status(coroutine.running()))
    ngx.sleep(0.005)
end)
show(coroutine.status(thread))
show(ngx.thread.wait(thread))
show(coroutine.status(thread))
