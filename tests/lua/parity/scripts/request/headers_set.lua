-- serve
-- header: X-Foo: bar

local show = require "show"

show(ngx.req.set_header("X-Foo", "new"))
show(ngx.req.get_headers()["X-Foo"], ngx.var.http_x_foo)
ngx.req.set_header("X-List", { "a", "b" })
show(ngx.req.get_headers()["X-List"])
ngx.req.set_header("X-Number", 5)
show(ngx.req.get_headers()["X-Number"])
ngx.req.set_header("X-Foo", nil)
show(ngx.req.get_headers()["X-Foo"])
