-- serve
-- request: HEAD {script} HTTP/1.0
-- shows: Content-Type, X-A
ngx.header.x_a = "b"
ngx.say("lost")
error("boom")
