-- serve
-- shows: X-Foo, body

ngx.header["X-Foo"] = "one"
ngx.header["X-Foo"] = {}
ngx.say("body")
