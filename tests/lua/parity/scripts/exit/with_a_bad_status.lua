-- serve

local show = require "show"

show((pcall(ngx.exit, "x")))
show((pcall(ngx.exit)))
