-- serve
-- request: GET {script} HTTP/1.0
-- shows: X-A, body
ngx.say("said ", ngx.headers_sent)
ngx.status = 404
ngx.header.x_a = "b"
ngx.say(ngx.status, " ", ngx.headers_sent)
