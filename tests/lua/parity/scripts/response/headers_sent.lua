-- serve

local show = require "show"

show(ngx.headers_sent)
show(ngx.send_headers())
show(ngx.headers_sent)
show(ngx.send_headers())
