-- serve
-- request: POST {script} HTTP/1.1
-- header: Transfer-Encoding: chunked
-- body: 5\r\nhello\r\n1\r\n,\r\n6\r\n world\r\n0\r\n\r\n

local show = require "show"

ngx.req.read_body()
show(ngx.req.get_body_data())
show(ngx.var.content_length, ngx.req.get_headers()["Transfer-Encoding"])
