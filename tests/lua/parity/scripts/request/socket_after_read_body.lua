-- serve
-- request: POST {script} HTTP/1.1
-- body: body

local show = require "show"

ngx.req.read_body()
show(ngx.req.socket())
