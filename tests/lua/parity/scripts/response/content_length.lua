-- serve
-- shows: Content-Length, Transfer-Encoding, body

ngx.header.content_length = 5
ngx.print("12345")
