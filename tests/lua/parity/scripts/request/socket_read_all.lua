-- serve
-- request: POST {script} HTTP/1.1
-- body: the whole body

local show = require "show"

local sock = ngx.req.socket()
show(sock:receive("*a"))
