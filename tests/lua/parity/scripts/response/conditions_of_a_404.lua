-- serve
-- header: If-None-Match: *
-- header: If-Match: "b"
-- shows: ETag, Last-Modified, Content-Type, X-A, status
ngx.header.etag = 'W/"a"'
ngx.header.last_modified = "Wed, 21 Oct 2015 07:28:00 GMT"
ngx.status = 404
ngx.say("body")
