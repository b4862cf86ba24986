-- serve
-- shows: X-Foo, body

ngx.header["X-Foo"] = "one\r\nX-Bar: two"
ngx.say("body")
