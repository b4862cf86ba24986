-- serve

local show = require "show"

local thread
local co = coroutine.wrap(function()
    thread = ngx.thread.spawn(function()
        ngx.sleep(0.005)
    end)
end)
co()
show.raised(function()
    local ok = ngx.thread.wait(thread)
    return ok
end)
