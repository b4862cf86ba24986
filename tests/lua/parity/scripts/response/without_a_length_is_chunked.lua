-- serve
-- shows: Content-Length, Transfer-Encoding, body

ngx.print("12345")
