-- serve
-- request: HEAD {script} HTTP/1.1
-- header: If-None-Match: *
-- shows: ETag, Last-Modified, Content-Type, Content-Length, X-A, status
ngx.header.x_a = "b"
ngx.say("body")
