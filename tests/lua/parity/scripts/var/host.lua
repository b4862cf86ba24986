-- serve
-- header: Host: Some.Test:8080

local show = require "show"

show(ngx.var.host, ngx.var.http_host)
