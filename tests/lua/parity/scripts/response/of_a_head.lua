-- serve
-- request: HEAD {script} HTTP/1.1
-- shows: X-Foo, body

ngx.header["X-Foo"] = "one"
ngx.say("a body that is not sent")
