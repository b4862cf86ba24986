-- both

local show = require "show"

show(ngx.thread.kill(coroutine.running()))
show(ngx.thread.kill(coroutine.create(function() end)))
show.raised(function()
    local ok = ngx.thread.kill("x")
    return ok
end)
local thread = ngx.thread.spawn(function()
    show(ngx.thread.kill(coroutine.running()))
end)
show(coroutine.status(thread))
