-- serve
-- header: If-Unmodified-Since: Wed, 21 Oct 2015 07:27:59 GMT
-- shows: ETag, Last-Modified, Content-Type, X-A, status
ngx.header.etag = 'W/"a"'
ngx.header.last_modified = "Wed, 21 Oct 2015 07:28:00 GMT"
ngx.flush(true)
ngx.say("body")
ngx.flush(true)
ngx.eof()
