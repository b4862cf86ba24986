-- serve

local show = require "show"

show(ngx.req.set_method(ngx.HTTP_POST))
show(ngx.req.get_method())
show.raised(function()
    ngx.req.set_method(12345)
end)
