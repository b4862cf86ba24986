-- serve

local show = require "show"

show(ngx.parse_http_time("Thu, 18 Nov 2010 11:27:35 GMT"))
show(ngx.parse_http_time("Thursday, 18-Nov-10 11:27:35 GMT"))
show(ngx.parse_http_time("Thu Nov 18 11:27:35 2010"))
show(ngx.parse_http_time("Thu, 01 Jan 1970 00:00:00 GMT"))
