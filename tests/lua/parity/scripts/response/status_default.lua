-- serve

local show = require "show"

show(ngx.status)
