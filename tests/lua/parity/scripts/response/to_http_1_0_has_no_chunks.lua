-- serve
-- request: GET {script} HTTP/1.0
-- shows: Transfer-Encoding, Connection, body

ngx.print("12345")
