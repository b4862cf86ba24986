-- serve

local show = require "show"

ngx.req.read_body()
show(ngx.req.get_body_data())
show(ngx.req.get_body_file())
