-- serve
-- request: GET {script}?a=1&b=2&c=3 HTTP/1.1

local show = require "show"

show(ngx.req.get_uri_args(2))
show(ngx.req.get_uri_args(0))
show((pcall(ngx.req.get_uri_args, "x")))
