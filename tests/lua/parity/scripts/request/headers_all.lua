-- serve
-- header: B: 1
-- header: A: 2

local show = require "show"

show(ngx.req.get_headers())
