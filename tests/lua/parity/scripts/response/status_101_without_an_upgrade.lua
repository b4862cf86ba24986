-- serve
-- shows: Connection, X-A, Content-Length, Transfer-Encoding, body
ngx.status = 101
ngx.header.x_a = "b"
ngx.say("raw")
ngx.flush(true)
ngx.say("bytes")
