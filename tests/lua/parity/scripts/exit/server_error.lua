-- serve
-- shows: status

ngx.exit(ngx.HTTP_INTERNAL_SERVER_ERROR)
