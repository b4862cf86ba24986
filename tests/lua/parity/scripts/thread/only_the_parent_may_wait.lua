-- both

local show = require "show"

local child
local parent = ngx.thread.spawn(function()
    child = ngx.thread.spawn(function()
        ngx.sleep(0.01)
    end)
    ngx.sleep(0.02)
end)
ngx.sleep(0.001)
show.raised(function()
    local ok = ngx.thread.wait(child)
    return ok
end)
show(ngx.thread.wait(parent))
