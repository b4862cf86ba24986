-- serve
-- request: GET {script}?=x&&a==b&%41=%42&c=%zz&d[]=1&d[]=2 HTTP/1.1

local show = require "show"

show(ngx.req.get_uri_args())
