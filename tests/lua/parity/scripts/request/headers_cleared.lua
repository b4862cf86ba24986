-- serve
-- header: X-Foo: bar

local show = require "show"

show(ngx.req.clear_header("x-foo"))
show(ngx.req.get_headers()["X-Foo"], ngx.var.http_x_foo)
