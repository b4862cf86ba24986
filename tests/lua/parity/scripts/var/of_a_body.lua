-- serve
-- request: POST {script} HTTP/1.1
-- header: Content-Type: text/x-test
-- body: 12345

local show = require "show"

show(ngx.var.content_type, ngx.var.content_length)
ngx.req.read_body()
show(ngx.var.request_body)
