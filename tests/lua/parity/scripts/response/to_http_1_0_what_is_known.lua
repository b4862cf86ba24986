-- serve
-- request: GET {script} HTTP/1.0
-- shows: X-A, Content-Type, body
local function show()
    ngx.say(ngx.status, " ", ngx.var.status, " ", ngx.headers_sent, " ", ngx.header.content_type, " ",
        ngx.var.sent_http_content_type)
end
show()
show()
ngx.say(ngx.send_headers())
show()
ngx.status = 201
ngx.header.x_a = "b"
show()
