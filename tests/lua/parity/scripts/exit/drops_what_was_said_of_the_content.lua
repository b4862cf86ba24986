-- serve
-- shows: X-A, ETag, Last-Modified, Accept-Ranges, Cache-Control, Content-Type, status
ngx.header.x_a = "b"
ngx.header.etag = '"c"'
ngx.header.last_modified = "Wed, 21 Oct 2015 07:28:00 GMT"
ngx.header.accept_ranges = "bytes"
ngx.header.cache_control = "no-store"
ngx.header.content_type = "a/b"
ngx.exit(404)
