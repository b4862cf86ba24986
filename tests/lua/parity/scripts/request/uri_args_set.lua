-- serve
-- request: GET {script}?a=1 HTTP/1.1

local show = require "show"

show(ngx.req.set_uri_args("b=2&c=3"))
show(ngx.var.args, ngx.req.get_uri_args())
ngx.req.set_uri_args({ d = "4 5" })
show(ngx.var.args)
