-- serve

local show = require "show"

show((pcall(ngx.http_time)))
show((pcall(ngx.http_time, "x")))
show((pcall(ngx.http_time, {})))
