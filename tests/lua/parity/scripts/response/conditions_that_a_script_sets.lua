-- serve
-- header: X-A: b
-- shows: ETag, Last-Modified, Content-Type, Content-Length, X-A, status
ngx.header.etag = 'W/"a"'
ngx.header.last_modified = "Wed, 21 Oct 2015 07:28:00 GMT"
ngx.req.set_header("If-None-Match", '"a"')
ngx.say("body")
