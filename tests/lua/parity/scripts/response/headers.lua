-- serve
-- shows: X-Foo, X-Bar-Baz, X-Number, body

local show = require "show"

ngx.header["X-Foo"] = "one"
ngx.header.x_bar_baz = "two"
ngx.header["X-Number"] = 5
show(ngx.header["x-foo"], ngx.header["X-Bar-Baz"], ngx.header.x_number)
show(ngx.header["X-Missing"])
