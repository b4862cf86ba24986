-- serve
-- shows: Content-Length, body

ngx.exit(204)
