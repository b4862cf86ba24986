-- serve

local show = require "show"

show(ngx.is_subrequest)
