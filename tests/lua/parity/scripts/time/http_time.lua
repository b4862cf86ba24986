-- both

local show = require "show"

show(ngx.http_time(0))
show(ngx.http_time(1290079655))
show(ngx.http_time(1290079655.9))
show.raised(function()
    local text = ngx.http_time("1290079655")
    return text
end)
show(ngx.http_time(4102444800))
