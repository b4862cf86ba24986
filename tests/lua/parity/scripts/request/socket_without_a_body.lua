-- serve

local show = require "show"

show(ngx.req.socket())
