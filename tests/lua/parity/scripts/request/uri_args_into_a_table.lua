-- serve
-- request: GET {script}?a=1 HTTP/1.1

local show = require "show"

local args = { kept = true }
show(ngx.req.get_uri_args(10, args) == args, args)
