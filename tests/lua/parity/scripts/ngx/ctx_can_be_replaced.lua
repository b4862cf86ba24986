-- serve

local show = require "show"

ngx.ctx = { name = "new" }
show(ngx.ctx)
show.raised(function()
    ngx.ctx = 5
end)
