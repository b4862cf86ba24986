-- serve
-- shows: Set-Cookie, X-List, body

local show = require "show"

ngx.header["Set-Cookie"] = { "a=1", "b=2" }
ngx.header["X-List"] = { "one", "two" }
show(ngx.header["Set-Cookie"])
show(ngx.header["X-List"])
