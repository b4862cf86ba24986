-- serve

local show = require "show"

local first = ngx.thread.spawn(function()
    ngx.sleep(0.01)
end)
local second = ngx.thread.spawn(function()
    return pcall(function()
        local ok = ngx.thread.wait(first)
        return ok
    end)
end)
show(ngx.thread.wait(second))
