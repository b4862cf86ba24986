-- serve
-- request: GET {script} HTTP/1.0
-- shows: X-A, body
ngx.header.x_a = "b"
ngx.send_headers()
ngx.say("one")
local ok, err = ngx.flush(true)
ngx.say(ok, " ", err, " ", ngx.headers_sent)
