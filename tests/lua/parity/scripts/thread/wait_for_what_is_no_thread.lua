-- serve

local show = require "show"

show.raised(function()
    local ok = ngx.thread.wait()
    return ok
end)
show.raised(function()
    local ok = ngx.thread.wait("x")
    return ok
end)
show.raised(function()
    local ok = ngx.thread.wait(coroutine.create(function() end))
    return ok
end)
