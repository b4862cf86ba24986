-- serve
-- request: POST {script}?a=1 HTTP/1.1
-- body: a=1
local function show()
    for _, name in ipairs { "uri", "document_uri", "request_uri", "args", "query_string", "is_args", "arg_a",
        "request_method", "request", "content_length", "request_body", "http_content_length" } do
        ngx.say(name, "=", ngx.var[name])
    end
end
ngx.req.set_method(ngx.HTTP_PUT)
ngx.req.set_uri("/new path")
ngx.req.set_uri_args { a = 9 }
ngx.req.read_body()
ngx.req.set_body_data("longer")
show()
ngx.var.args = ""
show()
ngx.req.set_uri_args("x=y z")
show()
