-- serve
-- request: POST {script} HTTP/1.1
-- header: Content-Length: 0

local show = require "show"

ngx.req.read_body()
show(ngx.req.get_post_args())
