-- serve

local show = require "show"

show(ngx.update_time())
