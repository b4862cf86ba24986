-- both

local show = require "show"

local thread = ngx.thread.spawn(function()
    return "done"
end)
show(coroutine.status(thread))
show(ngx.thread.wait(thread))
show(coroutine.status(thread))
show(ngx.thread.wait(thread))
