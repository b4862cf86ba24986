-- serve
-- request: POST {script} HTTP/1.1
-- body: a=1

local show = require "show"

show.raised(ngx.req.append_body, "x")
ngx.req.read_body()
show(ngx.req.init_body())
show(ngx.req.append_body("one, "))
show(ngx.req.append_body(2))
show(ngx.req.finish_body())
show(ngx.req.get_body_data())
show(ngx.req.get_headers()["Content-Length"])
