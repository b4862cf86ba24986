-- serve
-- shows: status
ngx.exit(404.9)
