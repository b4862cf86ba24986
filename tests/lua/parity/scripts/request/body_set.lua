-- serve
-- request: POST {script} HTTP/1.1
-- body: old

local show = require "show"

ngx.req.read_body()
show(ngx.req.set_body_data("new body"))
show(ngx.req.get_body_data())
show(ngx.req.get_headers()["Content-Length"])
