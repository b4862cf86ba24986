-- both

local show = require "show"

show(type(ngx.ctx), ngx.ctx.nothing)
ngx.ctx.count = 1
ngx.ctx.count = ngx.ctx.count + 1
show(ngx.ctx.count)
local thread = ngx.thread.spawn(function()
    show("in a thread", ngx.ctx.count)
    ngx.ctx.count = 10
end)
ngx.thread.wait(thread)
show(ngx.ctx.count)
