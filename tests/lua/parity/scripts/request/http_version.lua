-- serve

local show = require "show"

show(ngx.req.http_version(), ngx.var.server_protocol)
