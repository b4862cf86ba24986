-- serve
-- request: POST {script} HTTP/1.1
-- header: Content-Type: application/x-www-form-urlencoded
-- body: a=1&b=two%20words&a=2&flag

local show = require "show"

show(ngx.req.read_body())
show(ngx.req.get_post_args())
show(ngx.req.get_post_args(1))
