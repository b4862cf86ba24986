-- serve
-- shows: ETag, Last-Modified, Cache-Control
ngx.header.etag = '"a"'
ngx.header.last_modified = "Wed, 21 Oct 2015 07:28:00 GMT"
ngx.header.cache_control = "no-store"
ngx.exit(204)
