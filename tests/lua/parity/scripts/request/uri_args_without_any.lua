-- serve

local show = require "show"

show(ngx.req.get_uri_args())
show(ngx.var.args, ngx.var.query_string, ngx.var.is_args)
