-- serve

local show = require "show"

ngx.header["X-Foo"] = "one"
ngx.header["X-List"] = { "a", "b" }
local headers = ngx.resp.get_headers()
show(headers["x-foo"], headers["X-List"], headers["content-type"])
