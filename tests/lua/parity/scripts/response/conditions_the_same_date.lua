-- serve
-- header: If-Modified-Since: Wednesday, 21-Oct-15 07:28:00 GMT
-- shows: ETag, Last-Modified, Content-Type, Content-Length, X-A, status
ngx.header.etag = 'W/"a"'
ngx.header.last_modified = "Wed, 21 Oct 2015 07:28:00 GMT"
ngx.header.accept_ranges = "bytes"
ngx.header.content_length = 5
ngx.say("body")
