-- serve
-- request: POST {script} HTTP/1.1
-- body: 0123456789

local show = require "show"

show(ngx.req.discard_body())
show(ngx.req.get_body_data())
