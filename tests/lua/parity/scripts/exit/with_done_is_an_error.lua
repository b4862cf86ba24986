-- serve
-- shows: Content-Type, status
ngx.exit(ngx.DONE)
