-- serve
-- request: PUT {script} HTTP/1.1
-- body: x

local show = require "show"

show(ngx.req.get_method(), ngx.var.request_method)
