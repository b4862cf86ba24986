-- serve

local show = require "show"

show(ngx.parse_http_time("yesterday"))
show(ngx.parse_http_time(""))
show(ngx.parse_http_time("Thu, 40 Nov 2010 11:27:35 GMT"))
show((pcall(ngx.parse_http_time)))
