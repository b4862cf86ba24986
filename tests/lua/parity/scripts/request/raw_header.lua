-- serve
-- request: GET {script}?a=1 HTTP/1.1
-- header: X-Foo: bar

local show = require "show"

show(ngx.req.raw_header())
show(ngx.req.raw_header(true))
