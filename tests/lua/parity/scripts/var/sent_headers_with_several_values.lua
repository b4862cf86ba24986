-- serve
for _, name in ipairs { "cache_control", "link", "set_cookie", "vary", "x_a", "location", "www_authenticate", "etag",
    "expires", "content_type", "warning" } do
    ngx.header[name] = { "one", "two", "three" }
    ngx.say(name, " ", ngx.var["sent_http_" .. name])
end
