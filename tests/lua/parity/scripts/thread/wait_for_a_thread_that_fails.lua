-- both

local show = require "show"

local thread = ngx.thread.spawn(function()
    ngx.sleep(0.001)
    error("no place", 0)
end)
show(ngx.thread.wait(thread))
thread = ngx.thread.spawn(function()
    error("at once", 0)
end)
show(ngx.thread.wait(thread))
