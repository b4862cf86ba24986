-- serve
-- header: If-Match: "a"
-- shows: ETag, Last-Modified, Content-Type, X-A, status
ngx.header.etag = 'W/"a"'
ngx.header.last_modified = "Wed, 21 Oct 2015 07:28:00 GMT"
ngx.header.x_a = "b"
ngx.say("body")
ngx.say("more")
