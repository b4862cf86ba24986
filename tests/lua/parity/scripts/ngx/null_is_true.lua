-- serve

local show = require "show"

show(ngx.null and "true" or "false")
