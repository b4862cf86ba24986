-- serve
-- shows: X-A, Content-Type, body
ngx.req.set_method(ngx.HTTP_HEAD)
ngx.header.x_a = "b"
ngx.say("not seen")
ngx.say("either")
