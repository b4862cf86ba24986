-- serve
-- shows: Content-Type, X-A, body
ngx.status = 404
ngx.header.x_a = "b"
ngx.exit(204)
