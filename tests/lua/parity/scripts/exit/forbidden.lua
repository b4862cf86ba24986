-- serve
-- shows: status

ngx.exit(ngx.HTTP_FORBIDDEN)
