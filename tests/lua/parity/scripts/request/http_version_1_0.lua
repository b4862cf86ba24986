-- serve
-- request: GET {script} HTTP/1.0

local show = require "show"

show(ngx.req.http_version(), ngx.var.server_protocol)
show(ngx.var.http_host)
