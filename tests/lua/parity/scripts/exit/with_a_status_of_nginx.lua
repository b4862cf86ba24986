-- serve
-- shows: status, Content-Type
ngx.exit(497)
