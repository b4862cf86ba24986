-- serve
-- request: HEAD {script} HTTP/1.1
-- shows: Content-Type, X-A
ngx.header.x_a = "b"
ngx.say("lost")
ngx.flush(true)
error("boom")
