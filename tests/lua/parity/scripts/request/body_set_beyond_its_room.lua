-- serve
-- request: POST {script} HTTP/1.1
-- body: a=1

local show = require "show"

local function set(size, ...)
    ngx.req.init_body(size)
    for _, part in ipairs { ... } do ngx.req.append_body(part) end
    ngx.req.finish_body()
    local name = ngx.req.get_body_file()
    local file = name and io.open(name)
    show(size, ngx.req.get_body_data(), file and file:read("*a"), ngx.req.get_headers()["Content-Length"])
    if file then file:close() end
end

ngx.req.read_body()
set(5, "he", "llo")
set(4, "he", "llo")
set(4.9, "hello")
set("4", "hello")
set(5, "hello")
set(0, "he", "llo")
show.raised(ngx.req.init_body, -1)
show.raised(function() ngx.req.init_body("x") end)
show.raised(function() ngx.req.init_body({}) end)
