-- serve
-- shows: X-Foo, body

local show = require "show"

ngx.header["X-Foo"] = "one"
ngx.header["X-Foo"] = nil
show(ngx.header["X-Foo"])
