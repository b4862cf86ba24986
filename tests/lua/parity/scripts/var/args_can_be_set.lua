-- serve
-- request: GET {script}?a=1 HTTP/1.1

local show = require "show"

ngx.var.args = "b=2"
show(ngx.var.args, ngx.var.arg_a, ngx.var.arg_b)
show(ngx.req.get_uri_args())
