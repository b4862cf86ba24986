-- serve

local show = require "show"

local thread = ngx.thread.spawn(function()
    ngx.sleep(0.001)
    error({ code = 5 })
end)
show(ngx.thread.wait(thread))
thread = ngx.thread.spawn(function()
    ngx.sleep(0.001)
    error()
end)
show(ngx.thread.wait(thread))
