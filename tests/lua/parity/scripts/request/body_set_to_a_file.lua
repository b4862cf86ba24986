-- serve
-- request: POST {script} HTTP/1.1
-- body: a=1

local show = require "show"

ngx.req.read_body()
local name = os.tmpname()
local file = assert(io.open(name, "wb"))
file:write("b=2&c=3")
file:close()
show(ngx.req.set_body_file(name, true))
show(ngx.req.get_body_data(), ngx.req.get_body_file() == name)
show(ngx.req.get_headers()["Content-Length"])
show.raised(ngx.req.set_body_file)
