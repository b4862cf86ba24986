-- serve
-- shows: X-Foo, body

ngx.header["X-Foo"] = "one"
ngx.header["x-foo"] = "two"
ngx.say("body")
