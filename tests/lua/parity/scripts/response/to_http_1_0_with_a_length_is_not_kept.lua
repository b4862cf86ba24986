-- serve
-- request: GET {script} HTTP/1.0
-- shows: Content-Length, body
ngx.header.content_length = 17
ngx.print("one ")
local ok, err = ngx.flush(true)
ngx.print(ok, " ", err, " ", ngx.headers_sent)
ngx.say("!!")
