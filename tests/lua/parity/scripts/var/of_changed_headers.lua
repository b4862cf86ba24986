-- serve
-- header: Host: a.test:81
-- header: Authorization: Basic am9lOnB3
local function show()
    ngx.say(ngx.var.host, " ", ngx.var.http_host, " ", ngx.var.remote_user, " ", ngx.var.content_type, " ",
        ngx.var.cookie_a, " ", ngx.var.http_x_a)
end
show()
for _, host in ipairs { "New.Example:8080", "[::1]:80", "a.b.", "plain", "" } do
    ngx.req.set_header("Host", host)
    show()
end
ngx.req.set_header("host", { "first", "last" })
ngx.req.set_header("Authorization", { "Basic eDp5", "basic   YW5uOnB3OnB3" })
ngx.req.set_header("Content-Type", "text/x")
ngx.req.set_header("Cookie", { "b=1", "a=2" })
ngx.req.set_header("X-A", { "one", "two" })
show()
ngx.req.clear_header("Host")
ngx.req.set_header("Authorization", "Bearer am9lOnB3")
ngx.req.set_header("X-A", "")
show()
for _, host in ipairs { "a/b", "a..b" } do
    local ok, err = pcall(ngx.req.set_header, "Host", host)
    ngx.say(ok, " ", err:match("failed to set header"))
end
show()
