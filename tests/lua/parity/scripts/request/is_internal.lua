-- serve

local show = require "show"

show(ngx.req.is_internal())
