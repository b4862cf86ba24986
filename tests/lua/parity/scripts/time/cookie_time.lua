-- serve

local show = require "show"

show(ngx.cookie_time(1290079655))
show(ngx.cookie_time(0))
show(ngx.cookie_time(2147483647))
show(ngx.cookie_time(4102444800))
