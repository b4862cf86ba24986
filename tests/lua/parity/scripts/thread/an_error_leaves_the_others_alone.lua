-- both

local show = require "show"

local bad = ngx.thread.spawn(function()
    error("bad")
end)
local good = ngx.thread.spawn(function()
    ngx.sleep(0.005)
    return "good"
end)
show(ngx.thread.wait(good))
show(coroutine.status(bad))
