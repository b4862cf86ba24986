-- serve
-- request: POST {script} HTTP/1.1
-- body: some\r\nbody\x00\xff

local show = require "show"

show(ngx.req.get_body_data())
ngx.req.read_body()
show(ngx.req.get_body_data())
show(ngx.req.get_body_data())
show(ngx.req.get_body_file())
