-- serve
-- request: GET {script}?a=1&b=two%20words&a=2&flag&empty=&c=x+y HTTP/1.1

local show = require "show"

show(ngx.req.get_uri_args())
