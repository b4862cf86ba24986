-- serve
ngx.req.discard_body()
for _, call in ipairs { ngx.req.get_post_args, ngx.req.get_body_data, ngx.req.socket, ngx.req.init_body } do
    local ok, result, err = pcall(call)
    ngx.say(ok, " ", result, " ", err)
end
ngx.req.read_body()
ngx.req.set_body_data("a=1")
ngx.say(ngx.req.get_body_data(), " ", ngx.req.get_post_args().a)
