-- serve
-- shows: X-A, Content-Length
ngx.header.x_a = "b"
ngx.exit(600)
